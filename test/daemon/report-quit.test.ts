import assert from 'node:assert/strict';
import { SpanStatusCode } from '@opentelemetry/api';
import { describe, test } from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { daemonPlace } from '../harness/test-daemon.ts';

describe('startVirtiofsd() reports the end of its daemon', () => {
  test('as an error with status and last lines when it failed, in a trace of its own linked to the start', async () => {
    await using spans = await memorySpans();
    await using place = await daemonPlace();
    const daemon = await place.startVirtiofsd({ daemonPath: fixture('exits-early') });
    await daemon.exited;
    await eventually('the quit span ended', () => spans.named('virtiofsd.quit').length > 0);
    const quit = spans.one('virtiofsd.quit');
    const start = spans.one('virtiofsd.start');
    assert.equal(quit.parentSpanContext, undefined);
    assert.notEqual(quit.spanContext().traceId, start.spanContext().traceId);
    assert.equal(quit.links[0]?.context.spanId, start.spanContext().spanId);
    assert.deepEqual(quit.links[0]?.attributes, { 'link.relationship': 'started_by' });
    const message = 'virtiofsd exited with code 7: cannot open the directory: it is a teapot';
    assert.deepEqual(quit.status, { code: SpanStatusCode.ERROR, message });
    const { attributes } = quit;
    assert.equal(attributes['process.exit.code'], 7);
    assert.equal(attributes['process.pid'], daemon.identity.pid);
    assert.equal(attributes['virtiofsd.quit.cause'], 'start-failed');
    assert.equal(attributes['virtiofsd.quit.expected'], false);
    const [line] = place.captured.withMessage(message);
    assert.equal(line?.level, 'error');
    assert.deepEqual(line?.['lastLines'], [
      'reading the settings',
      'cannot open the directory: it is a teapot',
    ]);
  });

  test('as nothing wrong when we stopped it, although its status is not 0', async () => {
    await using spans = await memorySpans();
    await using place = await daemonPlace();
    const daemon = await place.startVirtiofsd({ daemonPath: fixture('waits') });
    await daemon.ready;
    await daemon.stop();
    await eventually('the quit span ended', () => spans.named('virtiofsd.quit').length > 0);
    const quit = spans.one('virtiofsd.quit');
    assert.equal(quit.status.code, SpanStatusCode.UNSET);
    assert.equal(quit.attributes['virtiofsd.quit.cause'], 'stopped');
    assert.equal(quit.attributes['virtiofsd.exit.signal'], 'SIGTERM');
    assert.equal(quit.attributes['virtiofsd.quit.expected'], true);
    const [line] = place.captured.withMessage('virtiofsd was killed by SIGTERM: it was stopped');
    assert.equal(line?.level, 'info');
  });
});

describe('startVirtiofsd()', () => {
  test('traces validation, socket, spawn, readiness and stop with tags and pid', async () => {
    await using spans = await memorySpans();
    await using place = await daemonPlace();
    const daemon = await place.startVirtiofsd({ daemonPath: fixture('waits') });
    await daemon.ready;
    await daemon.stop();
    await eventually('the wait ended', () => spans.named('virtiofsd.wait_ready').length > 0);
    const start = spans.one('virtiofsd.start');
    const { pid } = daemon.identity;
    assert.equal(start.attributes['process.pid'], pid);
    assert.equal(start.attributes['virtiofsd.cache_mode'], 'auto');
    assert.equal(start.attributes['virtiofsd.socket_path'], place.socketPath);
    assert.equal(start.attributes['virtiofsd.shared_dir'], place.path);
    for (const name of ['validate', 'socket.listen', 'spawn', 'wait_ready']) {
      const span = spans.one(`virtiofsd.${name}`);
      assert.equal(span.parentSpanContext?.spanId, start.spanContext().spanId, name);
    }
    assert.equal(spans.one('virtiofsd.spawn').attributes['process.executable.path'], fixture('waits'));
    const stop = spans.one('virtiofsd.stop');
    assert.equal(stop.links[0]?.context.spanId, start.spanContext().spanId);
    const kill = spans.one('virtiofsd.kill');
    assert.equal(kill.parentSpanContext?.spanId, stop.spanContext().spanId);
    for (const span of spans.all) {
      const { source, package: name, subsystem } = span.attributes;
      const tags = { source: 'runtime', name: 'containerd-shim-virtiofs', subsystem: 'virtiofsd' };
      assert.deepEqual({ source, name, subsystem }, tags, span.name);
    }
  });

  test('logs path and arguments before it starts the daemon', async () => {
    await using place = await daemonPlace();
    await place.startVirtiofsd({
      daemonPath: fixture('waits'),
      dialect: 'c',
      extraArgs: ['--thread-pool-size=1'],
    });
    const [line] = place.captured.withMessage('Starting virtiofsd');
    assert.equal(line?.['path'], fixture('waits'));
    assert.deepEqual(line?.['args'], [
      '-o',
      'cache=auto',
      '-o',
      'no_posix_lock',
      '-o',
      `source=${place.path}`,
      '--fd=0',
      '-f',
      '--thread-pool-size=1',
    ]);
  });

  test('does not wait for a line that its settings keep from us', async () => {
    for (const settings of [
      { syslog: true },
      { extraArgs: ['--log-level=error'] },
      { extraArgs: ['--log-level', 'off'] },
      { extraArgs: ['-foxattr,loglevel=err'] },
      { dialect: 'c' as const, extraArgs: ['-o', 'log_level=err'] },
      { dialect: 'c' as const, extraArgs: ['-oxattr,log\\_l\\145vel=err'] },
    ]) {
      await using place = await daemonPlace();
      const daemon = await place.startVirtiofsd({ daemonPath: fixture('never-ready'), ...settings });
      await daemon.ready;
    }
  });
});
