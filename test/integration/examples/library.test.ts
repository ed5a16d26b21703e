import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { obtain } from '../../setup/obtain.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { startSurvivor } from '../../harness/survivor.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { connectVhostUser } from '../../harness/vhost-user.ts';

const example = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/library/${name}`, import.meta.url));

test('examples/library/open-share.ts prints socket, tag and arguments, and leaves nothing; needs root', async () => {
  const { path } = await obtain('virtiofsd');
  await using directory = await temporaryDirectory();
  const [source, state] = [join(directory.path, 'source'), join(directory.path, 'state')];
  await mkdir(source);
  const PATH = `${join(path, '..')}:${process.env['PATH']}`;
  const { stdout } = await execa(process.execPath, [example('open-share.ts'), source, state], {
    env: { PATH },
  });
  const socket = /^socket (.*)$/m.exec(stdout)?.[1] ?? '';
  assert.match(socket, new RegExp(`^${state}/s/[0-9a-f]{16}\\.sock$`));
  assert.match(stdout, /^tag {4}work$/m);
  const expected = `-device vhost-user-fs-pci,id=fs-work,chardev=fs-work,tag=work,queue-size=1024,num-request-queues=1`;
  assert.equal(stdout.includes(`-chardev socket,id=fs-work,path=${socket} ${expected}`), true, stdout);
  assert.equal(existsSync(socket), false);
  assert.deepEqual(await leftovers(state), []);
});

test('examples/library/survive.ts is killed, and the next one has its share; needs root', async () => {
  const { path } = await obtain('virtiofsd');
  await using directory = await temporaryDirectory();
  const [source, state] = [join(directory.path, 'source'), join(directory.path, 'state')];
  await mkdir(source);
  const PATH = `${join(path, '..')}:${process.env['PATH']}`;
  await using first = await startSurvivor([example('survive.ts'), source, state], { PATH });
  const [how, pid, socket = ''] = first.said;
  assert.equal(how, 'opened', first.said.join());
  using vmm = await connectVhostUser(socket);
  await vmm.getFeatures();
  await first.kill();

  await using second = await startSurvivor([example('survive.ts'), source, state], { PATH });
  assert.deepEqual(second.said, ['adopted', pid, socket]);
  await vmm.getFeatures();
  assert.equal(await second.close(), 0);
  await vmm.closed;
  assert.equal(isGone(Number(pid)), true);
  assert.deepEqual(await leftovers(state), []);
});
