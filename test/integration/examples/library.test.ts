import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { obtain } from '../../setup/obtain.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const program = fileURLToPath(new URL('../../../examples/library/open-share.ts', import.meta.url));

test('examples/library/open-share.ts prints socket, tag and arguments, and leaves nothing; needs root', async () => {
  const { path } = await obtain('virtiofsd');
  await using directory = await temporaryDirectory();
  const [source, state] = [join(directory.path, 'source'), join(directory.path, 'state')];
  await mkdir(source);
  const PATH = `${join(path, '..')}:${process.env['PATH']}`;
  const { stdout } = await execa(process.execPath, [program, source, state], { env: { PATH } });
  const socket = /^socket (.*)$/m.exec(stdout)?.[1] ?? '';
  assert.match(socket, new RegExp(`^${state}/s/[0-9a-f]{16}\\.sock$`));
  assert.match(stdout, /^tag {4}work$/m);
  const expected = `-device vhost-user-fs-pci,id=fs-work,chardev=fs-work,tag=work,queue-size=1024,num-request-queues=1`;
  assert.equal(stdout.includes(`-chardev socket,id=fs-work,path=${socket} ${expected}`), true, stdout);
  assert.equal(existsSync(socket), false);
  assert.deepEqual(await leftovers(state), []);
});
