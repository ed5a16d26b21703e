import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../../harness/eventually.ts';
import { smallFileSystem } from '../../harness/small-file-system.ts';
import { readRecords } from '../../harness/containerd/shim-containerd.ts';
import { PROVIDER, writePlugin } from '../../harness/test-plugin.ts';
import { bootstrapResult, shells, shimConfig, shimPlace } from './shim-place.ts';

const scoreOf = async (pid: number): Promise<number> =>
  Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8'));

/** A shell that has this score for the OOM killer, and so has what it starts. */
const withScore = (score: number): string[] => [
  'sh',
  '-c',
  `echo ${score} >/proc/self/oom_score_adj; exec sh "$@"`,
  'sh',
];

describe('containerd-shim-virtiofs-v1 start', () => {
  test('finds a host that prints on its standard output, which goes to its log', async () => {
    await using place = await shimPlace();
    await writePlugin(place.path, {
      id: 'chatty',
      code: `process.stdout.write('no end of line');\nconsole.log('chatty');\n${PROVIDER}`,
    });
    const config = shimConfig({ daemon: 'waits', scratchDir: place.state });
    await writeFile(place.configFile, config.replace('\n', `\nplugin_dirs = ["${place.path}"]\n`));
    const env = { OTEL_LOG_LEVEL: 'debug' };
    const stdout = bootstrapResult(place);
    assert.deepEqual(await place.start('sb', { env }), { code: 0, stdout, stderr: '' });
    assert.match(await readFile(join(place.state, 'host.log'), 'utf8'), /no end of linechatty\n/);
  });

  for (const [own, ofHost] of [
    [7, 8],
    [1000, 1000],
  ] as const) {
    test(`gives the host the OOM score ${ofHost} where its own is ${own}, and daemons 0`, async () => {
      await using place = await shimPlace({ shell: withScore(own) });
      await place.createSandbox('sb');
      await place.call((sandboxes) => sandboxes.startSandbox({ sandboxId: 'sb' }));
      const [host = 0] = await place.hosts();
      const [record] = await readRecords(place.state);
      assert.deepEqual([await scoreOf(host), await scoreOf(record?.pid ?? 0)], [ofHost, 0]);
    });
  }

  test('starts a host that SIGUSR1 has write a diagnosis, and no debugger opened', async () => {
    await using place = await shimPlace();
    await place.createSandbox('sb');
    const [host = 0] = await place.hosts();
    process.kill(host, 'SIGUSR1');
    const log = (): Promise<string> => readFile(join(place.state, 'host.log'), 'utf8');
    await eventually('the diagnosis', async () => (await log()).includes('"msg":"Diagnosis"'));
    assert.doesNotMatch(await log(), /Debugger listening/);
  });

  test('starts a host whose directories for guests all can read', async () => {
    await using place = await shimPlace();
    await place.createSandbox('sb');
    const [record] = await readRecords(place.state);
    assert.equal((await stat(record?.source ?? '')).mode & 0o777, 0o755);
  });
});

for (const shell of shells) {
  test(`containerd-shim-virtiofs-v1 in ${shell[0]} shows no control character of its arguments`, async () => {
    await using place = await shimPlace({ shell });
    const { code, stderr } = await place.start('\u001b[2J\rx', { cwd: place.path });
    assert.deepEqual([code, stderr], [1, 'containerd-shim-virtiofs-v1: invalid id "?[2J?x"\n']);
  });

  describe(`containerd-shim-virtiofs-v1 start in ${shell[0]} on a full disk`, () => {
    for (const [what, bytes] of [
      ['options of a few bytes', 20],
      ['options of several pages', 9000],
    ] as const) {
      test(`fails with ${what}: the sandbox would get other shares`, async () => {
        await using place = await shimPlace({ shell });
        await using small = await smallFileSystem(1 << 20);
        // Room for the addresses, or for a page of the options.
        await writeFile(join(small.path, 'shim-start.env'), 'x');
        small.fill();
        const input = Buffer.alloc(bytes, 'x');
        const { code, stdout, stderr } = await place.start('sb', { cwd: small.path, input });
        assert.deepEqual([code, stdout], [1, '']);
        assert.match(stderr, /containerd-shim-virtiofs-v1: cannot save the \S+( \S+)? in "\/\S+"$/m);
      });
    }
  });
}
