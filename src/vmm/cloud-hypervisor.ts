import { shellWord } from '../text/shell-word.ts';
import { deviceId, type VmmShare } from './share.ts';
import type { VmmStep } from './step.ts';

/** The arguments that give a cloud-hypervisor its shares, and its memory, which vhost-user needs shared. */
export const cloudHypervisorArguments = (
  shares: readonly VmmShare[],
  { memoryMiB }: { memoryMiB: number },
): string[] => [
  '--memory',
  `size=${memoryMiB}M,shared=on`,
  // Once, with a value for each: that is how every version takes it.
  ...(shares.length === 0 ? [] : ['--fs', ...shares.map(fsOption)]),
];

/** Adds a share to a cloud-hypervisor that runs and has its memory shared (docs/hotplug.md). */
export const addByChRemote = (share: VmmShare): readonly VmmStep[] => [
  { tool: 'ch-remote', text: `add-fs ${shellWord(fsOption(share))}` },
];

/** Takes a share out of a cloud-hypervisor that runs. */
export const removeByChRemote = ({ tag }: Pick<VmmShare, 'tag'>): readonly VmmStep[] => [
  { tool: 'ch-remote', text: `remove-device ${deviceId(tag)}` },
];

const fsOption = ({ tag, socketPath, queueSize }: VmmShare): string =>
  `tag=${value(tag)},socket=${value(socketPath)},num_queues=1,queue_size=${queueSize},id=${deviceId(tag)}`;

/** Its options end at a comma outside of quotation marks, and brackets are lists. */
const value = (text: string): string => (/[,[\]]/.test(text) ? `"${text}"` : text);
