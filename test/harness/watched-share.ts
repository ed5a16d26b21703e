import assert from 'node:assert/strict';
import { SpanStatusCode } from '@opentelemetry/api';
import { existsSync } from 'node:fs';
import { describeEnd, isFailure, type DaemonExit } from '../../src/daemon/exit.ts';
import type { ExitCause } from '../../src/errors.ts';
import type { Quit, Sandbox } from '../../src/host/contract.ts';
import type { Share } from '../../src/share/contract.ts';
import { statusOf } from '../../src/services/view.ts';
import { eventually } from './eventually.ts';
import { isGone, leftovers } from './leftovers.ts';
import { memorySpans, type MemorySpans } from './memory-spans.ts';
import { sandboxRequest } from './sandbox-request.ts';
import { openTestHost, type TestHost, type TestHostOptions } from './test-host.ts';
import { connectVhostUser, type VhostUserClient } from './vhost-user.ts';
import type { RealVirtiofsd } from './virtiofsds.ts';

/** A share of a real virtiofsd, and everything that tells of its end. */
export interface WatchedShare extends TestHost {
  readonly sandbox: Sandbox;
  readonly share: Share;
  readonly spans: MemorySpans;
  readonly quits: readonly Quit[];
  /** Its VMM; gone with the test. */
  connect(): Promise<VhostUserClient>;
}

/** Opens it as share `x` of sandbox `a`, by a host with tracing. */
export async function openWatched(
  { path, dialect }: RealVirtiofsd,
  { source: chosen, ...options }: TestHostOptions & { source?: string } = {},
): Promise<WatchedShare> {
  await using stack = new AsyncDisposableStack();
  const spans = stack.use(await memorySpans());
  const quits: Quit[] = [];
  const virtiofs = { virtio_fs_dialect: dialect, ...options.virtiofs };
  const host = stack.use(
    await openTestHost({ daemon: path, onQuit: (quit) => quits.push(quit), ...options, virtiofs }),
  );
  const source = chosen ?? host.source;
  const sandbox = await host.host.sandboxes.create(sandboxRequest('a', { tag: 'x', source }));
  const [share] = sandbox.shares;
  assert.ok(share);
  const own = stack.move();
  const connect = async (): Promise<VhostUserClient> => {
    const client = own.use(await connectVhostUser(share.socketPath));
    await client.getFeatures();
    await eventually('it says that a client has come', () => share.status().state === 'connected');
    return client;
  };
  return { ...host, sandbox, share, spans, quits, connect, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** Asserts that log, span, event, status, sandbox and containerd's view tell one cause, and that nothing is left. */
export async function assertCause(
  own: WatchedShare,
  cause: ExitCause,
  message: RegExp | string,
): Promise<DaemonExit> {
  const { share, sandbox, spans, quits, captured } = own;
  const exit = await share.closed;
  assert.equal(exit.cause, cause, JSON.stringify(exit));
  if (typeof message === 'string') assert.equal(exit.message, message);
  else assert.match(exit.message, message);
  const failed = isFailure(cause);

  await eventually('the quit span ended', () => spans.named('virtiofsd.quit').length > 0);
  const { attributes, status } = spans.one('virtiofsd.quit');
  assert.deepEqual(
    [attributes['virtiofsd.quit.cause'], attributes['virtiofsd.quit.expected']],
    [cause, !failed],
  );
  assert.deepEqual(
    status,
    failed ? { code: SpanStatusCode.ERROR, message: exit.message } : { code: SpanStatusCode.UNSET },
  );
  const [line] = captured.withMessage(exit.message);
  assert.deepEqual([line?.level, line?.['cause']], [failed ? 'error' : 'info', cause]);

  assert.deepEqual(share.status().exit, describeEnd(exit));
  assert.deepEqual(
    quits.map((quit) => quit.exit),
    cause === 'stopped' ? [] : [exit],
  );
  assert.equal((await sandbox.ended).cause, cause);
  const { info } = statusOf(sandbox, { verbose: true });
  if (cause !== 'stopped') {
    assert.deepEqual((JSON.parse(info?.['share.x'] ?? '{}') as { exit?: unknown }).exit, describeEnd(exit));
  }
  assert.equal((JSON.parse(info?.['exit'] ?? '{}') as { cause?: string }).cause, cause);

  await own.host.sandboxes.delete('default', 'a');
  assert.equal(isGone(share.pid), true);
  assert.equal(existsSync(share.socketPath), false);
  assert.deepEqual(await leftovers(own.state), []);
  return exit;
}
