import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
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

describe('A program that uses the library', () => {
  for (const [what, respond] of cases) {
    test(`ends by itself with a collector that ${what}`, async () => {
      await using own = await openOtlpCollector(respond);
      await using directory = await temporaryDirectory();
      const config = {
        version: 1,
        state: directory.path,
        // An hour: the end of the host does not wait for it.
        trace: { endpoint: own.endpoint, timeout_ms: 3_600_000 },
        plugins: {
          [VIRTIOFS]: { virtio_fs_daemon: fixture('waits'), virtio_fs_dialect: 'rust' },
        },
      };
      const arguments_ = ['--input-type=module', '--eval', PROGRAM, JSON.stringify(config)];
      const { stdout, stderr, exitCode, timedOut } = await execa(process.execPath, arguments_, {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        reject: false,
        // Ends a program that would never end.
        timeout: 120_000,
        killSignal: 'SIGKILL',
      });
      assert.deepEqual({ stdout, exitCode, timedOut }, { stdout: 'closed', exitCode: 0, timedOut: false });
      assert.match(stderr, /"Traces are lost: /);
      assert.ok(own.received.length > 0);
    });
  }
});
