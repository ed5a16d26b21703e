import assert from 'node:assert/strict';
import { diag } from '@opentelemetry/api';
import { TracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openCollector, type Collector } from '../../src/tracing/collector.ts';
import { diagnosticsTo } from '../../src/tracing/diagnostics.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { accept, drip, openOtlpCollector, type Respond } from '../harness/otlp-collector.ts';

/** Longer than any test. */
const PATIENT = { timeoutMs: 600_000 };

/** What stays within {@link PATIENT}, the exporter waits for; this it does not. */
const NO_RETRY = { 'retry-after': '3600' };

function endedSpan(): ReadableSpan {
  const span = new TracerProvider({ spanProcessors: [] }).getTracer('test').startSpan('a span');
  span.end();
  return span as unknown as ReadableSpan;
}

const send = ({ exporter }: Collector): Promise<unknown> =>
  new Promise((resolve) => {
    exporter.export([endedSpan()], resolve);
  });

const say =
  (status: number, body: string, headers: Record<string, string> = {}): Respond =>
  (response) =>
    void response.writeHead(status, headers).end(body);

describe('openCollector()', () => {
  test('sends to "/v1/traces" of the endpoint, which may name it, have a path, a query and a password', async () => {
    await using own = await openOtlpCollector();
    const { log, lines } = captureLog();
    const cases = [
      ['', '/v1/traces'],
      ['/', '/v1/traces'],
      ['/v1/traces', '/v1/traces'],
      ['/v1/traces/', '/v1/traces'],
      ['/otlp', '/otlp/v1/traces'],
      ['/v1/traces/otlp', '/v1/traces/otlp/v1/traces'],
      ['/otlp/v1/traces?token=a%2Fb', '/otlp/v1/traces?token=a%2Fb'],
      ['?tenant=1&x=/', '/v1/traces?tenant=1&x=/'],
      ['/otlp/?tenant=1#part', '/otlp/v1/traces?tenant=1'],
    ] as const;
    for (const [given] of cases) {
      const endpoint = own.endpoint.replace('//', '//me:secret@') + given;
      using collector = await openCollector({ endpoint, ...PATIENT, log });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await send(collector);
    }
    assert.deepEqual(
      own.received.map(({ url }) => url),
      cases.map(([, expected]) => expected),
    );
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    for (const { authorization } of own.received) assert.equal(authorization, basic);
    assert.deepEqual(lines, []);
  });

  test('logs what the collector answers once for each change, the beginning of it, and no secret', async () => {
    const page = `<html>\u001b[31m${'x'.repeat(4_800_000)}`;
    const answers: Respond[] = [
      ...Array.from({ length: 3 }, () => say(404, page)),
      ...Array.from({ length: 3 }, () => say(503, 'come later', NO_RETRY)),
      say(401, ''),
      accept,
      accept,
      say(401, ''),
    ];
    await using own = await openOtlpCollector((response) => answers[own.received.length - 1]?.(response));
    const { log, lines } = captureLog();
    const endpoint = `${own.endpoint.replace('//', '//me:password@')}?token=secret`;
    using collector = await openCollector({ endpoint, ...PATIENT, log });
    for (const _ of answers) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await send(collector);
    }
    const said = JSON.stringify(`${page.slice(0, 200)}…`);
    const lost = 'Traces are lost: the collector answered';
    assert.deepEqual(
      lines.map(({ level, msg, lost: spans }) => [level, msg, spans]),
      [
        ['warn', `${lost} 404 Not Found: ${said}`, undefined],
        ['warn', `${lost} 503 Service Unavailable: "come later"`, undefined],
        ['warn', `${lost} 401 Unauthorized`, undefined],
        ['info', 'The collector takes traces again', 7],
        ['warn', `${lost} 401 Unauthorized`, undefined],
      ],
    );
    for (const { collector: where } of lines) assert.equal(where, `${own.endpoint}/v1/traces`);
    assert.doesNotMatch(JSON.stringify(lines), /password|secret/);
  });

  test('logs once what OpenTelemetry says of an answer that is none, with its beginning', async () => {
    await using own = await openOtlpCollector(say(200, `<html>${'x'.repeat(1_000_000)}`));
    const { log, lines } = captureLog();
    diag.setLogger(diagnosticsTo(log));
    try {
      using collector = await openCollector({ endpoint: own.endpoint, ...PATIENT, log });
      for (const _ of [1, 2, 3]) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await send(collector);
      }
    } finally {
      diag.disable();
    }
    assert.equal(own.received.length, 3);
    const warnings = lines.filter(({ level }) => level === 'warn');
    assert.equal(warnings.length, 1, JSON.stringify(lines));
    const { msg = '' } = warnings[0] ?? {};
    assert.match(msg, /^OTLPExportDelegate Export succeeded but could not deserialize response/);
    assert.ok(msg.endsWith(JSON.stringify(`<html>${'x'.repeat(194)}…`)), msg);
  });

  for (const [what, respond] of [
    ['is silent', (): void => {}],
    ['drips', drip(200)],
  ] as const) {
    test(`ends an export at its limit with a collector that ${what}, and says so once`, async () => {
      await using own = await openOtlpCollector(respond);
      const { log, lines } = captureLog();
      using collector = await openCollector({ endpoint: own.endpoint, timeoutMs: 300, log });
      await send(collector);
      await send(collector);
      assert.deepEqual(
        lines.map(({ msg }) => msg),
        ['Traces are lost: the collector does not answer in time (trace.timeout_ms)'],
      );
      await eventually('its requests are given up', async () => (await own.connections()) === 0);
    });
  }

  test('names what speaks no HTTP', async () => {
    const server = createServer((socket) => void socket.end('SSH-2.0\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { log, lines } = captureLog();
      const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      using collector = await openCollector({ endpoint, ...PATIENT, log });
      await send(collector);
      assert.match(lines[0]?.msg ?? '', /^Traces are lost: Parse Error/);
    } finally {
      server.close();
    }
  });

  test('names the system error of a collector to which it would try to connect for longer', async () => {
    const { log, lines } = captureLog();
    const refused = new Promise((resolve) => {
      subscribe('http.client.request.error', resolve);
    });
    const collector = await openCollector({ endpoint: 'http://127.0.0.1:1', ...PATIENT, log });
    const sent = send(collector);
    await refused;
    await setImmediate();
    collector[Symbol.dispose]();
    await sent;
    assert.equal(lines[0]?.msg, 'Traces are lost: connect ECONNREFUSED 127.0.0.1:1');
  });
});
