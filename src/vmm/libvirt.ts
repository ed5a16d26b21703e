import { deviceId, type VmmShare } from './share.ts';
import type { VmmStep } from './step.ts';

/**
 * The elements that give a domain of libvirt (9.0 or newer) its shares: the memory's backing belongs directly below
 * `domain`, a `filesystem` of each share below `devices`. libvirt starts no daemon of its own for them; its QEMU needs
 * the right to connect to the socket.
 */
export const libvirtElements = (shares: readonly VmmShare[]): string[] => [
  "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
  ...shares.map(deviceXml),
];

/** Adds a share to a domain that runs and has its memory shared. */
export const addByVirsh = (share: VmmShare): readonly VmmStep[] => [
  { tool: 'virsh attach-device', text: deviceXml(share) },
];

/** Takes a share out of a domain that runs. */
export const removeByVirsh = (share: VmmShare): readonly VmmStep[] => [
  { tool: 'virsh detach-device', text: deviceXml(share) },
];

/** `ua-` begins the names that are the user's. */
const deviceXml = ({ tag, socketPath, queueSize }: VmmShare): string =>
  "<filesystem type='mount'>" +
  `<driver type='virtiofs' queue='${queueSize}'/>` +
  `<source socket='${escape(socketPath)}'/><target dir='${escape(tag)}'/>` +
  `<alias name='ua-${deviceId(tag)}'/></filesystem>`;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;' };

const escape = (text: string): string => text.replaceAll(/[&<>']/g, (character) => ENTITIES[character] ?? '');
