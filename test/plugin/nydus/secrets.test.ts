import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mayHoldSecrets } from '../../../plugin/nydus/secrets.ts';

const legacy = (type: string, config: object, cache: object = {}): object => ({
  device: { backend: { type, config }, cache: { type: 'blobcache', config: { work_dir: '/c', ...cache } } },
  mode: 'direct',
  enable_xattr: true,
  fs_prefetch: { enable: true, threads_count: 4 },
});
const current = (type: string, config: object, cache: object = {}): object => ({
  version: 2,
  id: 'one',
  backend: { type, [type]: config },
  cache: { type: 'filecache', filecache: { work_dir: '/c', ...cache } },
  rafs: { mode: 'direct', validate: true },
});
const registry = { scheme: 'https', host: 'one.example:5000', repo: 'app' };

describe('mayHoldSecrets()', () => {
  test('is false where all that is named are places and settings', () => {
    for (const form of [legacy, current])
      for (const config of [
        form('localfs', { dir: '/blobs', blob_file: 'x', alt_dirs: ['/more'] }),
        form('registry', registry),
        form('registry', { ...registry, auth: '', registry_token: null, timeout: 5 }),
        form('registry', { ...registry, proxy: { url: 'http://proxy.example:3128', fallback: true } }),
        form('registry', { ...registry, mirrors: [{ host: 'http://mirror.example', headers: {} }] }),
      ])
        assert.equal(mayHoldSecrets(JSON.stringify(config)), false, JSON.stringify(config));
  });

  test('is true of credentials wherever they stand, and of what nobody knows', () => {
    for (const form of [legacy, current])
      for (const config of [
        form('registry', { ...registry, auth: 'dTpw' }),
        form('registry', { ...registry, registry_token: 'token' }),
        form('registry', { ...registry, host: 'user:password@one.example' }),
        form('registry', { ...registry, proxy: { url: 'http://user:password@proxy.example' } }),
        form('registry', { ...registry, proxy: { ping_url: 'http://proxy.example/?token=x' } }),
        form('registry', { ...registry, mirrors: [{ host: 'm', headers: { Authorization: 'Basic x' } }] }),
        form('oss', { endpoint: 'e', bucket_name: 'b', access_key_id: 'k', access_key_secret: 's' }),
        form('localfs', { dir: '/blobs' }, { encryption_key: 'key' }),
        form('localfs', { dir: '/blobs', later: ['what nobody knows'] }),
      ])
        assert.equal(mayHoldSecrets(JSON.stringify(config)), true, JSON.stringify(config));
    for (const config of ['no JSON', '"text"']) assert.equal(mayHoldSecrets(config), true);
  });
});
