import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { qemuArguments } from '../../src/vmm/qemu.ts';

describe('qemuArguments()', () => {
  test('shares the memory and gives each share a device', () => {
    const shares = [
      { tag: 'one', socketPath: '/run/1.sock', queueSize: 1024 },
      { tag: 'two', socketPath: '/run/2.sock', queueSize: 128 },
    ];
    assert.equal(
      qemuArguments(shares, { memoryMiB: 512 }).join(' '),
      '-m 512M -object memory-backend-memfd,id=fs-memory,size=512M,share=on -numa node,memdev=fs-memory ' +
        '-chardev socket,id=fs-one,path=/run/1.sock ' +
        '-device vhost-user-fs-pci,id=fs-one,chardev=fs-one,tag=one,queue-size=1024,num-request-queues=1 ' +
        '-chardev socket,id=fs-two,path=/run/2.sock ' +
        '-device vhost-user-fs-pci,id=fs-two,chardev=fs-two,tag=two,queue-size=128,num-request-queues=1',
    );
  });

  test('doubles commas, so that a tag cannot add an option', () => {
    const share = { tag: 'a,b=c', socketPath: '/run/x,y.sock', queueSize: 128 };
    const args = qemuArguments([share], { memoryMiB: 256 });
    assert.equal(args.includes('socket,id=fs-a_2cb_3dc,path=/run/x,,y.sock'), true);
    assert.match(args.at(-1) ?? '', /,tag=a,,b=c,queue-size=128,num-request-queues=1$/);
  });
});
