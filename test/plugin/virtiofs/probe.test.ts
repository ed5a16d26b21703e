import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { Code } from 'ttrpc-ts';
import { probeVirtiofsd } from '../../../plugin/virtiofs/probe.ts';
import { eventually } from '../../harness/eventually.ts';
import { executable } from '../../harness/fixtures.ts';
import { isGone } from '../../harness/leftovers.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const answering = (text: string): string => `#!/bin/sh\necho x >>"$0.runs"\necho '${text}'\n`;

describe('probeVirtiofsd()', () => {
  test('tells the C one by "version", with or without a package in brackets', async () => {
    await using directory = await temporaryDirectory();
    const plain = await executable(join(directory.path, 'plain'), answering('virtiofsd version 7.2.22'));
    assert.deepEqual(await probeVirtiofsd(plain), { dialect: 'c', version: '7.2.22' });
    const debian = await executable(
      join(directory.path, 'debian'),
      answering(
        'virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nusing FUSE kernel interface version 7.36',
      ),
    );
    assert.deepEqual(await probeVirtiofsd(debian), { dialect: 'c', version: '7.2.22' });
  });

  test('tells the Rust one', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(join(directory.path, 'virtiofsd'), answering('virtiofsd 1.14.0'));
    assert.deepEqual(await probeVirtiofsd(path), { dialect: 'rust', version: '1.14.0' });
  });

  test('runs a program once, however many ask at a time, and again when the file has changed', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(join(directory.path, 'virtiofsd'), answering('virtiofsd 1.14.0'));
    await Promise.all([probeVirtiofsd(path), probeVirtiofsd(path)]);
    await probeVirtiofsd(path);
    assert.equal(await readFile(`${path}.runs`, 'utf8'), 'x\n');
    await executable(path, `${answering('virtiofsd version 7.2.0')}# upgraded\n`);
    assert.deepEqual(await probeVirtiofsd(path), { dialect: 'c', version: '7.2.0' });
  });

  test('rejects a program that answers otherwise, with what it said and the setting to use', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(join(directory.path, 'nonsense'), '#!/bin/sh\necho hello; exit 4\n');
    await assert.rejects(probeVirtiofsd(path), {
      name: 'DaemonError',
      code: Code.FailedPrecondition,
      exit: { exitCode: 4, signal: undefined },
      message: `Cannot tell which virtiofsd "${path}" is: "--version" answered "hello"; set "virtio_fs_dialect" to "c" or "rust" if it is one`,
    });
  });

  test('rejects a program that answers nothing', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(join(directory.path, 'silent'), '#!/bin/sh\n');
    await assert.rejects(probeVirtiofsd(path), {
      name: 'DaemonError',
      message: /"--version" answered nothing;/,
    });
  });

  test('rejects a file whose interpreter is missing', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(join(directory.path, 'broken'), '#!/nonexistent/interpreter\n');
    await assert.rejects(probeVirtiofsd(path), { name: 'DaemonError', message: /ENOENT/ });
  });

  test('gives the program no environment that it does not need', async () => {
    await using directory = await temporaryDirectory();
    process.env['CSV_TEST_SECRET'] = 'secret';
    try {
      const path = await executable(join(directory.path, 'spy'), '#!/bin/sh\nenv; exit 1\n');
      await assert.rejects(
        probeVirtiofsd(path),
        ({ message }: Error) => !message.includes('CSV_TEST_SECRET'),
      );
      const printer = await executable(
        join(directory.path, 'virtiofsd'),
        '#!/bin/sh\nenv >"$0.env"\necho virtiofsd 1.14.0\n',
      );
      await probeVirtiofsd(printer);
      assert.doesNotMatch(await readFile(`${printer}.env`, 'utf8'), /CSV_TEST_SECRET/);
    } finally {
      delete process.env['CSV_TEST_SECRET'];
    }
  });

  test('rejects at once when the signal aborts, and forgets nothing of it', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(
      join(directory.path, 'slow'),
      '#!/bin/sh\nwhile [ ! -e "$0.go" ]; do sleep 0.01; done\necho virtiofsd 1.14.0\n',
    );
    const controller = new AbortController();
    const first = probeVirtiofsd(path, { signal: controller.signal });
    const second = probeVirtiofsd(path);
    controller.abort(new Error('enough'));
    await assert.rejects(first, { message: 'enough' });
    await executable(`${path}.go`, '');
    assert.deepEqual(await second, { dialect: 'rust', version: '1.14.0' });
  });

  for (const [where, prefix] of [
    ['in its process group', ''],
    ['outside of its process group', 'setsid '],
  ] as const) {
    test(`takes the answer of a program that leaves a child with its pipe ${where}`, async () => {
      await using directory = await temporaryDirectory();
      const path = await executable(
        join(directory.path, 'virtiofsd'),
        `#!/bin/sh
${prefix}sh -c 'echo $$ >"$0.pid"; until [ -e "$0.go" ]; do sleep 0.05; done' "$0" &
echo virtiofsd 1.14.0
until [ -s "$0.pid" ]; do sleep 0.01; done
`,
      );
      assert.deepEqual(await probeVirtiofsd(path), { dialect: 'rust', version: '1.14.0' });
      const pid = Number(await readFile(`${path}.pid`, 'utf8'));
      if (prefix !== '') {
        assert.equal(isGone(pid), false);
        await executable(`${path}.go`, '');
      }
      await eventually('the child has gone', () => isGone(pid));
    });
  }

  test('rejects a program that never ends, and ends it', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(
      join(directory.path, 'virtiofsd'),
      '#!/bin/sh\necho $$ >"$0.pid"\necho virtiofsd 1.14.0\nsleep 1000 &\nwait\n',
    );
    await assert.rejects(probeVirtiofsd(path, { timeoutMs: 500 }), {
      name: 'DaemonError',
      message: /"--version" answered nothing \(not within 500 ms\);/,
    });
    // Where the machine is busy, it had not even begun.
    const pid = Number(await readFile(`${path}.pid`, 'utf8').catch(() => ''));
    await eventually('it has gone', () => isGone(pid));
  });
});
