import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addByChRemote, cloudHypervisorArguments, removeByChRemote } from '../../src/vmm/cloud-hypervisor.ts';

const one = { tag: 'one', socketPath: '/run/1.sock', queueSize: 1024 };
const odd = { tag: "a,b'c", socketPath: '/run/x y.sock', queueSize: 128 };

// docs/fs.md, docs/hotplug.md and FsConfig::parse() of cloud-hypervisor.

describe('cloudHypervisorArguments()', () => {
  test('shares the memory and gives each share a value of one --fs', () => {
    assert.deepEqual(cloudHypervisorArguments([one, odd], { memoryMiB: 512 }), [
      '--memory',
      'size=512M,shared=on',
      '--fs',
      'tag=one,socket=/run/1.sock,num_queues=1,queue_size=1024,id=fs-one',
      'tag="a,b\'c",socket=/run/x y.sock,num_queues=1,queue_size=128,id=fs-a_2cb_27c',
    ]);
  });

  test('has no --fs without shares', () => {
    assert.deepEqual(cloudHypervisorArguments([], { memoryMiB: 64 }), ['--memory', 'size=64M,shared=on']);
  });
});

describe('addByChRemote() and removeByChRemote()', () => {
  test('name the device, so that it can be removed, in words for a shell', () => {
    assert.deepEqual(
      [...addByChRemote(one), ...addByChRemote(odd), ...removeByChRemote(odd)],
      [
        'add-fs tag=one,socket=/run/1.sock,num_queues=1,queue_size=1024,id=fs-one',
        `add-fs 'tag="a,b'\\''c",socket=/run/x y.sock,num_queues=1,queue_size=128,id=fs-a_2cb_27c'`,
        'remove-device fs-a_2cb_27c',
      ].map((text) => ({ tool: 'ch-remote', text })),
    );
  });
});
