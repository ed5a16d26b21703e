import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { withSpan } from '../../src/tracing/span.ts';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { eventually } from '../harness/eventually.ts';
import { runGuest } from '../harness/guest/run-guest.ts';
import { leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { startBrokenRegistry } from '../harness/nydus/broken-registry.ts';
import { rafsConfig } from '../harness/nydus/image.ts';
import { nydusPlace } from '../harness/nydus/nydus-share.ts';
import { pushImage } from '../harness/nydus/push-image.ts';
import { startRegistry } from '../harness/nydus/registry.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
const MEMORY_MIB = 256;
const REPO = 'app';
const USER = 'operator:geheim';
/** `geheim`, as htpasswd(1) writes it. */
const HTPASSWD = 'operator:$2b$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu\n';

/** What nydusd says of registries that do not give what is read. */
const REASONS: readonly (readonly [string, RegExp])[] = [
  ['denied', /failed to read metadata for blob .*UNAUTHORIZED/],
  ['missing', /failed to read metadata for blob .*BLOB_UNKNOWN/],
  ['down', /failed to read metadata for blob .*Connection refused/],
  ['truncated', /failed to read metadata for blob .*IncompleteBody/],
  ['silent', /failed to read metadata for blob .*TimedOut/],
];

/** All that stands below a directory, as one text. */
const contentOf = (directory: string): string =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n');

// It boots a guest and serves it by the real nydusd from a real registry, which needs root.
describe('images in registries', { skip }, () => {
  test('are read with the credentials of the operator, who alone sees them; of a broken one the reads fail', async () => {
    await using spans = await memorySpans();
    await using directory = await temporaryDirectory();
    await using registry = await startRegistry({ htpasswd: HTPASSWD });
    await using truncates = await startBrokenRegistry('truncates');
    await using silent = await startBrokenRegistry('silent');
    const { host } = registry;
    const auth = Buffer.from(USER).toString('base64');
    const authFile = join(directory.path, 'auth.json');
    writeFileSync(authFile, JSON.stringify({ auths: { [host]: { auth } } }), { mode: 0o600 });
    await using place = await nydusPlace({
      nydus_registry_auth_file: authFile,
      virtio_fs_debug: true,
      virtio_fs_stop_timeout_ms: 600_000,
    });
    await pushImage(place.image, { host, repository: REPO, user: USER });
    await using own = await place.open();
    const wrong = Buffer.from('operator:falsch').toString('base64');
    const registries = {
      good: {},
      denied: { auth: wrong },
      missing: { repo: 'another' },
      down: { host: '127.0.0.1:1' },
      truncated: { host: truncates.host },
      silent: { host: silent.host, timeout: 1, connect_timeout: 1 },
    };
    await withSpan('the mounts', {}, async () => {
      for (const [name, change] of Object.entries(registries)) {
        const cache = join(directory.path, name);
        mkdirSync(cache);
        const config = { scheme: 'http', host, repo: REPO, ...change };
        await own.mount({ ...place.mountOf(name), config: rafsConfig({ type: 'registry', config }, cache) });
      }
    });
    const script = `
mount -t virtiofs work /mnt || exit 1
for name in ${Object.keys(registries).slice(1).join(' ')} good; do
  echo "$name: $(cat /mnt/rafs/$name/lowerdir/f 2>&1)"
done
umount /mnt`;
    const qemu = qemuArguments([own.share], { memoryMiB: MEMORY_MIB });
    const { lines } = await runGuest({ script, memoryMiB: MEMORY_MIB, qemuArguments: qemu });
    assert.equal(lines.length, Object.keys(registries).length, lines.join('\n'));
    for (const [index, name] of Object.keys(registries).slice(1).entries())
      assert.match(lines[index] ?? '', new RegExp(`^${name}: cat: .*(Invalid argument|I/O error)$`));
    assert.equal(lines.at(-1), 'good: of the image');

    const { captured, context } = place;
    for (const [what, pattern] of REASONS)
      await eventually(`the log says why: ${what}`, () =>
        captured.lines.some(
          ({ level, msg, sandbox, share }) =>
            level === 'error' && pattern.test(msg) && sandbox === 'a' && share === 'work',
        ),
      );

    const secrets = [auth, wrong, 'geheim', 'falsch'];
    const seen = [
      JSON.stringify(captured.lines),
      JSON.stringify(
        spans.all.map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
      ),
      readFileSync(`/proc/${own.share.pid}/cmdline`, 'latin1'),
      readFileSync(`/proc/${own.share.pid}/environ`, 'latin1'),
      contentOf(context.stateDir.path),
      JSON.stringify(own.share.status()),
    ];
    for (const text of seen)
      for (const secret of secrets) assert.equal(text.includes(secret), false, text.slice(0, 2000));
    await own.share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });
});
