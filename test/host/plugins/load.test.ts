import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { loadPlugin, type LoadedPlugin } from '../../../src/host/plugins/load.ts';
import { readManifest } from '../../../src/host/plugins/manifest.ts';
import { pluginContext } from '../../harness/plugin-context.ts';
import { manifestOf, PROVIDER, writePlugin, type TestPlugin } from '../../harness/test-plugin.ts';

const never = 'new Promise(() => {})';

/** Loads a plugin within `timeoutMs`; `logged` is what it and its disposal log. */
async function loadOne(
  plugin: Omit<TestPlugin, 'id'>,
  timeoutMs: number,
): Promise<{ loaded: LoadedPlugin; logged: () => unknown[] } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const { context, directory, captured } = stack.use(await pluginContext());
  const manifest = await readManifest(await writePlugin(directory.path, { id: 'x', ...plugin }));
  const loaded = await loadPlugin(manifest, {
    table: undefined,
    configFile: 'test.toml',
    context,
    timeoutMs,
  });
  const own = stack.move();
  const logged = (): unknown[] => captured.lines.map(({ msg, err }) => [msg, (err as Error).message]);
  return { loaded, logged, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

describe('loadPlugin()', () => {
  const withSchema = `${manifestOf('x')}[config]\nschema = "schema"\n`;
  for (const [what, plugin] of [
    ['whose module never finishes', { code: `await ${never}; ${PROVIDER}` }],
    ['whose provider never comes', { code: `export const create = () => ${never};` }],
    [
      'whose schema never answers',
      {
        manifest: withSchema,
        code: `export const schema = { '~standard': { validate: () => ${never} } }; ${PROVIDER}`,
      },
    ],
  ] as const) {
    test(`gives up a plugin ${what}, and names its manifest, the limit and the setting`, async () => {
      await assert.rejects(loadOne(plugin, 200), {
        name: 'ConfigError',
        code: Code.InvalidArgument,
        message:
          /^Invalid manifest ".*\/x\/plugin\.toml": entry: "plugin\.mjs" did not finish loading within 200 ms: mend it, or raise plugin_timeout_ms$/,
      });
    });
  }

  for (const [what, disposal, message] of [
    ['throws', `() => { throw new Error('no'); }`, 'no'],
    ['rejects', `() => Promise.reject(new Error('no'))`, 'no'],
    ['never ends', `() => ${never}`, 'not done within 2000 ms'],
  ] as const) {
    test(`goes on where the disposal of a provider ${what}, and logs it`, async () => {
      const code = `export const create = () => ({ open() {}, close() {}, [Symbol.asyncDispose]: ${disposal} });`;
      await using one = await loadOne({ code }, 2000);
      await one.loaded[Symbol.asyncDispose]();
      assert.deepEqual(one.logged(), [['Cannot dispose of the provider', message]]);
    });
  }
});
