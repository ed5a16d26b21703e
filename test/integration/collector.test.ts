import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { drip, openOtlpCollector, type Respond } from '../harness/otlp-collector.ts';
import { fixture } from '../harness/fixtures.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS } from '../harness/test-host.ts';

/** A program that uses the library as its documentation shows, and comes to its end. */
const PROGRAM = `
import { openHost } from '${new URL('../../src/index.ts', import.meta.url).href}';
{
  await using host = await openHost({ config: JSON.parse(process.argv[1]) });
  await using share = await host.openShare({ sandboxId: 'a', tag: 'work' });
}
console.log('closed');
`;

const cases: [what: string, respond: Respond][] = [
  ['never answers', () => {}],
  ['drips an answer', drip(200)],
  ['drips a refusal', drip(404)],
  ['asks to come again', (response) => void response.writeHead(503, { 'retry-after': '1' }).end()],
];

interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
}

async function run(endpoint: string, env: Record<string, string> = {}): Promise<Run> {
  await using directory = await temporaryDirectory();
  const config = {
    version: 1,
    state: directory.path,
    // An hour: the end of the host does not wait for it.
    trace: { endpoint, timeout_ms: 3_600_000 },
    plugins: { [VIRTIOFS]: { virtio_fs_daemon: fixture('waits'), virtio_fs_dialect: 'rust' } },
  };
  const { stdout, stderr, exitCode } = await execa(
    process.execPath,
    ['--input-type=module', '--eval', PROGRAM, JSON.stringify(config)],
    // The time ends a program that would never end.
    { env, reject: false, timeout: 120_000, killSignal: 'SIGKILL' },
  );
  return { stdout, stderr, exitCode };
}

describe('A program that uses the library', () => {
  for (const [what, respond] of cases) {
    test(`ends by itself with a collector that ${what}`, async () => {
      await using own = await openOtlpCollector(respond);
      const { stdout, stderr, exitCode } = await run(own.endpoint);
      assert.deepEqual({ stdout, exitCode }, { stdout: 'closed', exitCode: 0 });
      assert.match(stderr, /"Traces are lost: /);
      assert.ok(own.received.length > 0);
    });
  }

  test('sends to its collector directly, whatever the environment says of proxies', async () => {
    await using own = await openOtlpCollector();
    const proxy = 'http://127.0.0.1:1';
    const env = { HTTP_PROXY: proxy, http_proxy: proxy, ALL_PROXY: proxy, NODE_USE_ENV_PROXY: '1' };
    const { stderr, exitCode } = await run(own.endpoint, env);
    assert.equal(exitCode, 0, stderr);
    assert.doesNotMatch(stderr, /Traces are lost/);
    assert.ok(own.received.some(({ body }) => body.includes('virtiofsd.spawn')));
  });
});
