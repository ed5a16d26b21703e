import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  startDebianMachine,
  type DebianMachine,
  type DebianMachineOptions,
} from '../../harness/debian-machine.ts';
import { buildTwoDebs } from '../../harness/debian-packages.ts';
import { canRunSystemd } from '../../harness/machine-cgroup.ts';
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
async function startMachine(
  suite: DebianSuite,
  options: Pick<DebianMachineOptions, 'systemd'> = {},
): Promise<DebianMachine> {
  const containerds = await Promise.all([obtain('containerd-2.4.2'), obtain('containerd-2.3.7')]);
  const cached = containerds.map(({ directory }) => [
    directory.replace(cacheDir(), '/root/.cache/containerd-shim-virtiofs'),
    directory,
  ]);
  const show = { '/packages': packages.path, '/checkout': root, ...Object.fromEntries(cached) };
  return startDebianMachine(suite, { ...options, show: show as Record<string, string> });
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

    test('says that a command below /usr/local comes before its own', async () => {
      await using machine = await startMachine(suite);
      const other = '/usr/local/bin/shim-virtiofs';
      await machine.sh(`ln -s /bin/false ${other}`);
      const said = await machine.sh(install(1));
      assert.match(said, new RegExp(`^${NAME}: "${other}" comes before this package's`, 'm'));
      assert.doesNotMatch(said, /the compile cache is not filled/);
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

  test('leaves the state of a sandbox of the controller that has no share', async () => {
    await using machine = await startMachine('trixie');
    await machine.sh(`${install(1)}; ${SERVE}
      (cd /checkout; node_modules/node/bin/node test/integration/release/inside/create-sandbox.ts)`);
    assert.match(await machine.sh(`dpkg -r ${NAME}`), /left running: 1 sandbox with 0 shares\./);
    assert.match(
      await machine.sh(`dpkg -P ${NAME}`),
      /stay for what lives there: 1 sandbox with 0 shares, a host/,
    );
    await machine.sh(`ls ${STATE}/sandboxes/default/empty/sandbox.json`);
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

const skipSystemd = skip || (canRunSystemd() ? false : 'nobody can make control groups of version 2 here');
const SERVICE = `${NAME}.service`;
const SOCKET = `${NAME}.socket`;
const MAIN_PID = `systemctl show --property MainPID --value ${SERVICE}`;
/** Connects to the controller as containerd does, and leaves. */
const CALL = `/checkout/node_modules/node/bin/node -e "net.connect('${STATE}/grpc.sock').unref().on('connect', process.exit)"`;
const ACTIVE = `until systemctl --quiet is-active ${SERVICE}; do sleep 0.1; done`;

/** One that runs systemd, with the first of the packages installed. */
async function startWithSystemd(suite: DebianSuite): Promise<DebianMachine> {
  await using stack = new AsyncDisposableStack();
  const machine = stack.use(await startMachine(suite, { systemd: true }));
  await machine.sh(install(1));
  stack.move();
  return machine;
}

for (const suite of ['bookworm', 'trixie'] as const) {
  describe(`the package on a Debian ${suite} with systemd`, { skip: skipSystemd }, () => {
    test('runs the host, which follows itself however it ends, with its shares', async () => {
      await using machine = await startWithSystemd(suite);
      const units = `${SERVICE} ${SOCKET}`;
      assert.equal(
        await machine.sh(`systemctl is-active ${units}; systemctl is-enabled ${units}`),
        'active\nactive\nenabled\nenabled',
      );
      await machine.sh('shim-virtiofs open sb work');
      const shares = await machine.sh('shim-virtiofs ls');
      const first = await machine.sh(MAIN_PID);

      await machine.sh(
        `kill -KILL ${first}; until [ $(${MAIN_PID}) != ${first} ]; do sleep 0.1; done; ${ACTIVE}`,
      );
      assert.equal(await machine.sh('shim-virtiofs ls'), shares);
      const second = await machine.sh(MAIN_PID);
      await machine.sh(`systemctl stop ${SERVICE}; ! kill -0 ${second} 2>/dev/null; ${CALL}; ${ACTIVE}`);
      assert.equal(await machine.sh('shim-virtiofs ls'), shares);
      await machine.sh(
        `systemctl restart ${SERVICE}; systemctl reload ${SERVICE}; systemctl is-active ${units}`,
      );
      assert.equal(await machine.sh('shim-virtiofs ls'), shares);
      assert.match(
        await machine.sh(`journalctl --unit ${SERVICE}`),
        /"msg":"Serving the sandbox controller"/,
      );
    });

    test('does not start a host again whose configuration is wrong, until that is mended', async () => {
      await using machine = await startWithSystemd(suite);
      await machine.sh('shim-virtiofs open sb work');
      const shares = await machine.sh('shim-virtiofs ls');
      const config = `/etc/${NAME}/config.toml`;
      await machine.sh(
        `cp ${config} /tmp/right; echo wrong = 1 >>${config}; ! systemctl restart ${SERVICE} 2>&1`,
      );
      const status = await machine.sh(
        `systemctl show --property NRestarts,ExecMainStatus,ActiveState ${SERVICE}`,
      );
      assert.deepEqual(status.split('\n').toSorted(), [
        'ActiveState=failed',
        'ExecMainStatus=2',
        'NRestarts=0',
      ]);
      await machine.sh(`cp /tmp/right ${config}; systemctl start ${SERVICE}`);
      assert.equal(await machine.sh('shim-virtiofs ls'), shares);
    });

    test('is upgraded and removed under a share that lives, and stops the host where none is left', async () => {
      await using machine = await startWithSystemd(suite);
      await machine.sh('shim-virtiofs open sb work');
      const shares = await machine.sh('shim-virtiofs ls');
      const former = await machine.sh(MAIN_PID);
      await machine.sh(install(2));
      const host = await machine.sh(MAIN_PID);
      assert.notEqual(host, former);
      assert.equal(await machine.sh('shim-virtiofs ls'), shares);

      const said = await machine.sh(`dpkg -r ${NAME}`);
      assert.match(said, /left running: 1 sandbox with 1 share/);
      assert.match(said, /goes on without its files.*: systemctl stop \S+\.socket \S+\.service$/m);
      assert.equal(await machine.sh(MAIN_PID), host);
      await machine.sh(`kill -0 ${host}; ${install(2)}; systemctl stop ${SERVICE}; ${CALL}; ${ACTIVE}`);
      await machine.sh('shim-virtiofs close sb');
      const last = await machine.sh(MAIN_PID);
      assert.match(last, /^[1-9]/);
      await machine.sh(`dpkg -r ${NAME}; ! kill -0 ${last} 2>/dev/null`);
    });

    test('is followed by the next one when it was purged under a share, and leaves no socket without a host', async () => {
      await using machine = await startWithSystemd(suite);
      await machine.sh('shim-virtiofs open sb work');
      const shares = await machine.sh('shim-virtiofs ls');
      const former = await machine.sh(MAIN_PID);
      await machine.sh(`dpkg -P ${NAME}; kill -0 ${former}; ${install(2)}`);
      assert.notEqual(await machine.sh(MAIN_PID), former);
      assert.equal(await machine.sh('shim-virtiofs ls'), shares);
      await machine.sh(`systemctl stop ${SERVICE}; dpkg -P ${NAME}; ! systemctl --quiet is-active ${SOCKET}`);
    });

    test('does not restart a host that serves sandboxes of the shim, and says how', async () => {
      await using machine = await startWithSystemd(suite);
      await machine.sh(`shim-virtiofs open sb work
        sed -i 's/"owner": "api"/"owner": "shim"/' ${STATE}/sandboxes/default/sb/*/share.json`);
      const former = await machine.sh(MAIN_PID);
      const said = await machine.sh(install(2));
      assert.match(
        said,
        /the host of the former version goes on: 1 share of the shim would not survive its end/,
      );
      assert.match(said, /systemctl restart containerd-shim-virtiofs\.service$/m);
      assert.equal(await machine.sh(MAIN_PID), former);
    });
  });
}

test.after(() => packages[Symbol.asyncDispose]());
