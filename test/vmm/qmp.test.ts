import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addByQmp, removeByQmp } from '../../src/vmm/qmp.ts';

const share = { tag: 'a"b', socketPath: '/run/x,y.sock', queueSize: 128 };

// That QEMU takes them is shown by test/integration/hotplug.test.ts.

describe('addByQmp()', () => {
  test('connects to the socket, then adds the device to the bus', () => {
    const steps = addByQmp(share, { bus: 'rp0' });
    assert.deepEqual(
      steps.map(({ tool, text, waitFor }) => [tool, JSON.parse(text), waitFor]),
      [
        [
          'qmp',
          {
            execute: 'chardev-add',
            arguments: {
              id: 'fs-a_22b',
              backend: {
                type: 'socket',
                data: { addr: { type: 'unix', data: { path: '/run/x,y.sock' } }, server: false },
              },
            },
          },
          undefined,
        ],
        [
          'qmp',
          {
            execute: 'device_add',
            arguments: {
              driver: 'vhost-user-fs-pci',
              id: 'fs-a_22b',
              chardev: 'fs-a_22b',
              tag: 'a"b',
              bus: 'rp0',
              'queue-size': 128,
              'num-request-queues': 1,
            },
          },
          undefined,
        ],
      ],
    );
  });
});

describe('removeByQmp()', () => {
  test('removes the device, and when it has gone the connection', () => {
    assert.deepEqual(removeByQmp(share), [
      {
        tool: 'qmp',
        text: '{"execute":"device_del","arguments":{"id":"fs-a_22b"}}',
        waitFor: 'DEVICE_DELETED',
      },
      { tool: 'qmp', text: '{"execute":"chardev-remove","arguments":{"id":"fs-a_22b"}}' },
    ]);
  });
});
