import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { writeBundle } from '../harness/bundle.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { startServe } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { writePlugin } from '../harness/test-plugin.ts';

/** Does what the sandbox's id says, at once or later. */
const ODD = `
  import { EventEmitter } from 'node:events';
  const later = {
    timer: () => void setTimeout(() => { throw new Error('from timer'); }),
    tick: () => process.nextTick(() => { throw 'from tick'; }),
    rejection: () => void Promise.reject(new Error('from rejection')),
    event: () => void setImmediate(() => new EventEmitter().emit('error', new Error('from event'))),
    exit: () => void setTimeout(() => process.exit(7)),
    now: () => process.exit(),
  };
  export const create = () => ({
    open: async ({ sandboxId }) => {
      console.log('printed by ' + sandboxId);
      later[sandboxId]();
      throw new Error('opens nothing');
    },
    close() {},
  });`;

describe('shim-virtiofs serve', () => {
  test('goes on whatever callbacks of a plugin do, and logs which plugin it was', async () => {
    await using directory = await temporaryDirectory();
    const plugins = join(directory.path, 'plugins');
    await writePlugin(plugins, { id: 'odd', code: ODD });
    await using host = await startServe(directory.path, { daemon: fixture('waits'), pluginDirs: [plugins] });
    const { client, output } = host;
    const mount = { type: 'virtiofs', destination: 'work' };
    const bundlePath = await writeBundle(directory.path, [{ ...mount, options: ['shared_fs=fs-odd'] }]);
    const logged = (text: string): boolean =>
      output.some((line) => line.includes(text) && line.includes('"plugin":"io.containerd.fsshare.v1.odd"'));

    for (const [sandboxId, text] of [
      ['timer', 'from timer'],
      ['tick', 'from tick'],
      ['rejection', 'from rejection'],
      ['event', 'from event'],
      ['exit', 'process.exit(7) of plugin \\"io.containerd.fsshare.v1.odd\\" was refused'],
    ] as const) {
      await assert.rejects(client.createSandbox({ sandboxId, bundlePath }), { message: 'opens nothing' });
      await eventually(`"${text}" is logged`, () => logged(text));
    }
    await assert.rejects(client.createSandbox({ sandboxId: 'now', bundlePath }), {
      code: Code.Unknown,
      message:
        'process.exit() of plugin "io.containerd.fsshare.v1.odd" was refused: the host serves others too',
    });
    const well = await writeBundle(directory.path, [mount]);
    await client.createSandbox({ sandboxId: 'well', bundlePath: well });
    await client.startSandbox({ sandboxId: 'well' });
    await client.shutdownSandbox({ sandboxId: 'well' });
    assert.equal(await host.end('SIGTERM'), 0);
  });
});
