import { deviceId, type VmmShare } from './share.ts';
import type { VmmStep } from './step.ts';

/**
 * Adds a share to a QEMU machine that runs and has its memory shared, as after {@link qemuArguments}. Of a `q35` machine
 * the bus is a PCIe root port without a device: its own bus takes none while it runs.
 */
export function addByQmp(
  { tag, socketPath, queueSize }: VmmShare,
  { bus }: { readonly bus: string },
): readonly VmmStep[] {
  const id = deviceId(tag);
  const addr = { type: 'unix', data: { path: socketPath } };
  const device = { driver: 'vhost-user-fs-pci', id, chardev: id, tag, bus };
  return [
    command('chardev-add', { id, backend: { type: 'socket', data: { addr, server: false } } }),
    command('device_add', { ...device, 'queue-size': queueSize, 'num-request-queues': 1 }),
  ];
}

/**
 * Takes a share out of a QEMU machine that runs. The guest gives the device up before `DEVICE_DELETED` comes, and until
 * then the chardev is busy; with the chardev goes the daemon's only client.
 */
export function removeByQmp({ tag }: Pick<VmmShare, 'tag'>): readonly VmmStep[] {
  const id = deviceId(tag);
  return [{ ...command('device_del', { id }), waitFor: 'DEVICE_DELETED' }, command('chardev-remove', { id })];
}

const command = (execute: string, args: Readonly<Record<string, unknown>>): VmmStep => ({
  tool: 'qmp',
  text: JSON.stringify({ execute, arguments: args }),
});
