import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { withCredentials } from '../../../plugin/nydus/credentials.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const NONE = { registryAuthFile: undefined, registryAuthEnv: undefined };
const AUTH = Buffer.from('user:secret').toString('base64');
const VARIABLE = 'CSV_TEST_REGISTRY_AUTH';

const legacy = (config: object): object => ({
  device: { backend: { type: 'registry', config } },
  mode: 'direct',
});
const current = (registry: object): object => ({ version: 2, backend: { type: 'registry', registry } });

describe('withCredentials()', () => {
  test("adds what the operator's file has for the registry, to either form of configuration", async () => {
    await using directory = await temporaryDirectory();
    const registryAuthFile = join(directory.path, 'auth.json');
    const auths = {
      'one.example:5000': { auth: AUTH },
      'https://two.example/v1/': { username: 'user', password: 'secret' },
      'empty.example': {},
    };
    writeFileSync(registryAuthFile, JSON.stringify({ auths, credsStore: 'x' }));
    const settings = { ...NONE, registryAuthFile };
    for (const form of [legacy, current])
      for (const host of ['one.example:5000', 'two.example']) {
        const completed = await withCredentials(JSON.stringify(form({ host, repo: 'app' })), settings);
        assert.deepEqual(JSON.parse(completed), form({ host, repo: 'app', auth: AUTH }));
      }
    for (const host of ['one.example', 'empty.example']) {
      const config = JSON.stringify(legacy({ host }));
      assert.equal(await withCredentials(config, settings), config);
    }
  });

  test('takes them from the variable where there is no file', async () => {
    process.env[VARIABLE] = JSON.stringify({ auths: { 'one.example': { auth: AUTH } } });
    const settings = { ...NONE, registryAuthEnv: VARIABLE };
    try {
      const completed = await withCredentials(JSON.stringify(legacy({ host: 'one.example' })), settings);
      assert.deepEqual(JSON.parse(completed), legacy({ host: 'one.example', auth: AUTH }));
    } finally {
      delete process.env[VARIABLE];
    }
    const config = JSON.stringify(legacy({ host: 'one.example' }));
    assert.equal(await withCredentials(config, settings), config);
  });

  test('leaves a configuration as it is that brings its own, or whose blobs are in no registry', async () => {
    // A file that is not there would be an error where it is needed.
    const settings = { ...NONE, registryAuthFile: '/nonexistent/auth.json' };
    for (const config of [
      legacy({ host: 'one.example', auth: 'own' }),
      current({ host: 'one.example', registry_token: 'own' }),
      { device: { backend: { type: 'localfs', config: { dir: '/blobs' } } } },
      {},
    ]) {
      const text = JSON.stringify(config, undefined, 1);
      assert.equal(await withCredentials(text, settings), text);
    }
  });

  test('says where the credentials cannot be had, and never what they are', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'auth.json');
    const config = JSON.stringify(legacy({ host: 'one.example' }));
    const settings = { ...NONE, registryAuthFile: path };
    await assert.rejects(withCredentials(config, settings), {
      code: Code.FailedPrecondition,
      message: `Cannot read the registry credentials "${path}" (ENOENT): correct nydus_registry_auth_file`,
    });
    for (const content of ['{"auths": {"one.example": {"auth": "secret', '{"auths": "secret"}']) {
      writeFileSync(path, content);
      await assert.rejects(withCredentials(config, settings), {
        code: Code.FailedPrecondition,
        message: `Cannot use the registry credentials in "${path}": write them as Docker's config.json has them`,
      });
    }
  });
});
