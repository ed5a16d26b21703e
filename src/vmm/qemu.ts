import { deviceId, type VmmShare } from './share.ts';

/**
 * The arguments that give a QEMU machine (7.2 or newer) its shares. They include its memory: vhost-user needs all of the
 * guest's RAM shared, and with `share=off` the guest hangs at its first access without a message. Leave out `-m` and any
 * memory backend of your own; the machine type must have PCI (`q35`, `pc`).
 *
 * @param shares in the order of their devices
 * @param options.memoryMiB size of the guest's RAM, in MiB
 */
export function qemuArguments(shares: readonly VmmShare[], { memoryMiB }: { memoryMiB: number }): string[] {
  return [
    '-m',
    `${memoryMiB}M`,
    '-object',
    `memory-backend-memfd,id=fs-memory,size=${memoryMiB}M,share=on`,
    '-numa',
    'node,memdev=fs-memory',
    ...shares.flatMap(deviceArguments),
  ];
}

function deviceArguments({ tag, socketPath, queueSize }: VmmShare): string[] {
  const id = deviceId(tag);
  const device = `vhost-user-fs-pci,id=${id},chardev=${id},tag=${value(tag)}`;
  return [
    '-chardev',
    `socket,id=${id},path=${value(socketPath)}`,
    '-device',
    `${device},queue-size=${queueSize},num-request-queues=1`,
  ];
}

/** A comma ends a value in QEMU's options; two stand for one. */
const value = (text: string): string => text.replaceAll(',', ',,');
