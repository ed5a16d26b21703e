import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refusal } from '../../../plugin/nydus/api-answer.ts';
import { withoutSecrets } from '../../../plugin/nydus/mask.ts';
import { eventually } from '../../harness/eventually.ts';
import { rafsConfig } from '../../harness/nydus/image.ts';
import { nydusPlace } from '../../harness/nydus/nydus-share.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');

describe('withoutSecrets()', () => {
  test('leaves out headers, users, queries and keys, and nothing else', () => {
    const cases: [text: string, masked: string][] = [
      [
        'INFO backend config: C { headers: {"A": "Basic c"}, retry: 1 }',
        'INFO backend config: C { headers: {…}, retry: 1 }',
      ],
      ['a: {headers: {"A": "Basic c}d"}}', 'a: {headers: {…}}'],
      ['C { headers: {"A": "Basic c', 'C { headers: {…}'],
      ['url: "http://u:p@ss@h:1/v2", x', 'url: "http://…@h:1/v2", x'],
      ['WARN http://h/b?X-Amz-Signature=s is late', 'WARN http://h/b?… is late'],
      ['(\\"https://h/b?s=1\\")', '(\\"https://h/b?…\\")'],
      [
        'username: "u", password: Some("p\\"q"), path: "/v2", query: Some("s=1"), fragment: None',
        'username: "…", password: Some("…"), path: "/v2", query: Some("…"), fragment: None',
      ],
      [
        'username: \\"\\", password: None, query: Some(\\"s=1\\")',
        'username: \\"\\", password: None, query: Some(\\"…\\")',
      ],
      ['auth: Some("dTpw"), registry_token: Some("t', 'auth: Some("…"), registry_token: Some("…"'],
      ['http://h:5000/v2/a@sha256:1 and a?b', 'http://h:5000/v2/a@sha256:1 and a?b'],
    ];
    for (const [text, masked] of cases) assert.equal(withoutSecrets(text), masked);
  });
});

describe('refusal()', () => {
  test('says what nydusd answered without credentials', () => {
    const message = 'Mount(Other("failed for \\"http://u:p@h/b?s=1\\""))';
    const error = refusal('mount it', { status: 500, text: JSON.stringify({ message }) });
    assert.equal(error.message, 'nydusd cannot mount it: failed for "http://…@h/b?…"');
  });
});

// The real nydusd, which needs root.
describe('what nydusd says of a backend', { skip }, () => {
  test('stands in log and status without its credentials', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const registry = { scheme: 'http', host: '127.0.0.1:1', repo: 'app', auth: 'c2VjcmV0OnNlY3JldA==' };
    const connections = {
      proxied: { proxy: { url: 'http://secret-user:secret-pass@127.0.0.1:1', fallback: false } },
      mirrored: {
        mirrors: [{ host: 'http://127.0.0.1:1', headers: { Authorization: 'Basic secret-header' } }],
      },
    };
    for (const [container, connection] of Object.entries(connections)) {
      const backend = { type: 'registry', config: { ...registry, ...connection } };
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await own.mount({
        ...place.mountOf(container),
        config: rafsConfig(backend, place.directory.path),
      });
    }
    const said = (): readonly string[] => place.captured.lines.map((line) => JSON.stringify(line));
    const configs = (): readonly string[] => said().filter((line) => line.includes('ConnectionConfig {'));
    await eventually('it has printed both', () => configs().length === 2);
    for (const line of [...said(), ...own.share.status().lastLines])
      assert.doesNotMatch(line, /secret|c2VjcmV0/);
    assert.match(configs()[0] ?? '', /http:\/\/…@127\.0\.0\.1:1/);
    assert.match(configs()[1] ?? '', /headers: \{…\}/);
  });
});
