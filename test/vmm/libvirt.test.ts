import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addByVirsh, libvirtElements, removeByVirsh } from '../../src/vmm/libvirt.ts';

const share = { tag: "a&b'<c>", socketPath: '/run/1.sock', queueSize: 1024 };
const device =
  "<filesystem type='mount'><driver type='virtiofs' queue='1024'/><source socket='/run/1.sock'/>" +
  "<target dir='a&amp;b&apos;&lt;c&gt;'/><alias name='ua-fs-a_26b_27_3cc_3e'/></filesystem>";

describe('libvirtElements()', () => {
  test('shares the memory and describes each share, so that a tag cannot add an element', () => {
    assert.deepEqual(libvirtElements([share]), [
      "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
      device,
    ]);
  });
});

describe('addByVirsh() and removeByVirsh()', () => {
  test('attach and detach the same device', () => {
    assert.deepEqual(addByVirsh(share), [{ tool: 'virsh attach-device', text: device }]);
    assert.deepEqual(removeByVirsh(share), [{ tool: 'virsh detach-device', text: device }]);
  });
});
