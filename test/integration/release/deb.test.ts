import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startDebianMachine, type DebianMachine } from '../../harness/debian-machine.ts';
import { buildTwoDebs } from '../../harness/debian-packages.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { cacheDir } from '../../setup/cache-dir.mjs';
import { obtain, obtainOrSkip } from '../../setup/obtain.ts';
import type { DebianSuite } from '../../setup/parts/debian-system.ts';
import { root } from '../../setup/release/root.ts';

// The Debian package on bare Debians that have neither Node.js nor npm, git or a network, with Debian's own virtiofsd. The
// tests that run inside are driven by this checkout and its Node.js. Needs root.

/** The tests of containerd's two ways, which run there against what is installed. A guest cannot be had there. */
const CONTAINERD_TESTS = ['ctr', 'service', 'controller', 'controller-calls', 'cri'].map(
  (name) => `test/integration/containerd/${name}.test.ts`,
);
const WITH_GUEST = 'runs, shows, measures, stops and removes a pod in the host network';

const skip = (await obtainOrSkip('debian-trixie')).skip || (await obtainOrSkip('debian-bookworm')).skip;
const packages = await temporaryDirectory();
if (!skip) await buildTwoDebs(packages.path);

/** A machine that is shown the packages, this checkout and containerd. */
async function startMachine(suite: DebianSuite): Promise<DebianMachine> {
  const containerds = await Promise.all([obtain('containerd-2.4.2'), obtain('containerd-2.3.7')]);
  const cached = containerds.map(({ directory }) => [
    directory.replace(cacheDir(), '/root/.cache/containerd-shim-virtiofs'),
    directory,
  ]);
  const show = { '/packages': packages.path, '/checkout': root, ...Object.fromEntries(cached) };
  return startDebianMachine(suite, { show: show as Record<string, string> });
}

/** Has node:test of this checkout run files there. */
const runTests = (machine: DebianMachine, args: readonly string[]): Promise<string> =>
  machine.sh(`cd /checkout; exec node_modules/node/bin/node --test --test-reporter=tap ${args.join(' ')}`, {
    SHIM_VIRTIOFS_RELEASE: '/usr',
    NODE_NO_WARNINGS: '1',
  });

const install = (number: number): string => `dpkg -i /packages/${number}.deb`;
const STATE = '/run/containerd-shim-virtiofs';
/** A host that serves, by hand. */
const SERVE = `setsid shim-virtiofs serve </dev/null >/tmp/host.log 2>&1 & until [ -e ${STATE}/host.pid ]; do sleep 0.05; done`;
const NAME = 'containerd-shim-virtiofs';

for (const suite of ['bookworm', 'trixie'] as const) {
  describe(`the package on a bare Debian ${suite}`, { skip }, () => {
    test("installs with no network, and containerd's tests pass with what is installed", async () => {
      await using machine = await startMachine(suite);
      await machine.sh('! command -v node npm git');
      const said = await machine.sh(install(1));
      assert.doesNotMatch(said, new RegExp(`^${NAME}: `, 'm'));
      await machine.sh(`dpkg --verify ${NAME}; test -z "$(dpkg --audit)"`);
      const cache = await machine.sh(`find /var/cache/${NAME} -perm /022 -o -name filling.\\*`);
      assert.equal(cache, '');
      assert.notEqual(await machine.sh(`find /var/cache/${NAME} -type f`), '');
      assert.match(await machine.sh('shim-virtiofs check-config'), /config\.toml is valid/);
      const tap = await runTests(machine, [`--test-skip-pattern='${WITH_GUEST}'`, ...CONTAINERD_TESTS]);
      const [, passed] = /^# pass (\d+)$/m.exec(tap) ?? [];
      assert.ok(Number(passed) >= 40, tap);
    });

    test('says what is missing on the machine', async () => {
      await using machine = await startMachine(suite);
      await machine.sh('rm -f /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; mkdir /etc/containerd');
      const said = await machine.sh(install(1));
      const name = suite === 'bookworm' ? 'qemu-system-common' : 'virtiofsd';
      assert.match(said, new RegExp(`^${NAME}: there is no virtiofsd.*: apt-get install ${name}$`, 'm'));
      const snippet = `/usr/share/doc/${NAME}/examples/containerd.toml`;
      assert.match(said, new RegExp(`^${NAME}: containerd does not know it yet: copy ${snippet} `, 'm'));
      const again = await machine.sh(`install -D ${snippet} /etc/containerd/conf.d/v.toml; ${install(1)}`);
      assert.doesNotMatch(again, /containerd does not know it/);
    });

    test('is upgraded and removed under sandboxes that live', async () => {
      await using machine = await startMachine(suite);
      await machine.sh(install(1));
      assert.match(await runTests(machine, ['test/integration/release/inside/upgrade.ts']), /^# pass 1$/m);
    });
  });
}

describe('the package, purged', { skip }, () => {
  test('takes configuration, cache and state with it where nothing lives', async () => {
    await using machine = await startMachine('trixie');
    await machine.sh(`${install(1)}; ${SERVE}
      shim-virtiofs open sb work; shim-virtiofs close sb; kill $!; wait`);
    assert.notEqual(await machine.sh(`findmnt --list --noheadings | grep ${NAME}`), '');
    const said = await machine.sh(`dpkg -P ${NAME}`);
    assert.doesNotMatch(said, new RegExp(`^${NAME}: `, 'm'));
    await machine.sh(`! ls -d /etc/${NAME} /var/cache/${NAME} ${STATE} /var/lib/${NAME} /usr/*/${NAME}* 2>&1 |
      grep -v 'No such'`);
    assert.equal(await machine.sh(`find /etc/systemd /var/lib/systemd -name '${NAME}*'`), '');
  });

  test('leaves the state of a sandbox that lives, and says so', async () => {
    await using machine = await startMachine('trixie');
    await machine.sh(`${install(1)}; ${SERVE}
      shim-virtiofs open sb work; echo kept >$(echo /var/lib/${NAME}/scratch/*/shared/[0-9a-f]*/)file; kill -KILL $!`);
    const said = await machine.sh(`dpkg -P ${NAME}`);
    assert.match(said, /left running: 1 sandbox with 1 share\. End/);
    assert.match(said, /no host is there for them.* Processes: \d+ $/m);
    assert.match(
      said,
      new RegExp(`"${STATE}" and "/var/lib/${NAME}" stay for .*: 1 sandbox with 1 share\\.`),
    );
    assert.equal(await machine.sh(`cat /var/lib/${NAME}/scratch/*/shared/[0-9a-f]*/file`), 'kept');
    await machine.sh(`ls ${STATE}/sandboxes/default/sb/*/share.json; ! ls -d /etc/${NAME} 2>/dev/null`);
  });

  test('removes nothing of what is mounted there', async () => {
    await using machine = await startMachine('trixie');
    await machine.sh(`${install(1)}; mkdir -p /srv/data /var/lib/${NAME}/scratch/some/shared/tree
      echo precious >/srv/data/file; mount --bind /srv/data /var/lib/${NAME}/scratch/some/shared/tree`);
    const said = await machine.sh(`dpkg -P ${NAME}`);
    assert.match(said, new RegExp(`"/var/lib/${NAME}" stays: something is mounted there: .*/shared/tree`));
    assert.equal(await machine.sh('cat /srv/data/file'), 'precious');
  });
});

/** What systemctl was asked since the last time. */
const calls = (machine: DebianMachine): Promise<string> =>
  machine.sh('cat /run/systemctl.calls; : >/run/systemctl.calls');
/** With a systemctl of the test's own, as no systemd runs here; deb-systemd-helper and deb-systemd-invoke are Debian's. */
const startSystemd = async (): Promise<DebianMachine> => {
  const machine = await startMachine('trixie');
  await machine.sh(`mkdir -p /run/systemd/system
    install /checkout/test/integration/release/inside/systemctl /usr/local/bin/systemctl`);
  return machine;
};

describe('the package where systemd runs', { skip }, () => {
  test('starts the host, has a new one adopt the shares of the former, and stops it where none is left', async () => {
    await using machine = await startSystemd();
    await machine.sh(install(1));
    assert.match(
      await calls(machine),
      /daemon-reload\n(.*\n)*.* start .*\.socket\n(.*\n)*.* start .*\.service/,
    );
    await machine.sh(
      `cd /etc/systemd/system; ls multi-user.target.wants/${NAME}.service sockets.target.wants/${NAME}.socket`,
    );
    await machine.sh('shim-virtiofs open sb work');
    const former = await machine.sh('cat /run/unit.pid; shim-virtiofs ls');
    await machine.sh(install(2));
    assert.match(await calls(machine), /daemon-reload\n(.*\n)*.* restart .*virtiofs\.service/);
    const now = await machine.sh('cat /run/unit.pid; shim-virtiofs ls');
    assert.notEqual(now.split('\n')[0], former.split('\n')[0]);
    assert.deepEqual(now.split('\n').slice(1), former.split('\n').slice(1));

    const said = await machine.sh(`dpkg -r ${NAME}`);
    assert.match(said, /left running: 1 sandbox with 1 share/);
    assert.match(said, /goes on without its files.*: systemctl stop \S+\.socket \S+\.service$/m);
    assert.doesNotMatch(await calls(machine), / ?stop /);
    await machine.sh(`${install(2)}; shim-virtiofs close sb`);
    await calls(machine);
    await machine.sh(`dpkg -r ${NAME}`);
    assert.match(await calls(machine), /^stop \S+\.socket \S+\.service$/m);
    await machine.sh('! kill -0 $(cat /run/unit.pid) 2>/dev/null');
  });

  test('does not restart a host that serves sandboxes of the shim, and says how', async () => {
    await using machine = await startSystemd();
    await machine.sh(`${install(1)}; shim-virtiofs open sb work
      sed -i 's/"owner": "api"/"owner": "shim"/' ${STATE}/sandboxes/default/sb/*/share.json`);
    await calls(machine);
    const said = await machine.sh(install(2));
    assert.match(
      said,
      /the host of the former version goes on: 1 share of the shim would not survive its end/,
    );
    assert.match(said, /systemctl restart containerd-shim-virtiofs\.service$/m);
    assert.doesNotMatch(await calls(machine), /restart/);
  });
});

test.after(() => packages[Symbol.asyncDispose]());
