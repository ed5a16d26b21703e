import type { Share } from '../share/contract.ts';

/** What a VMM has to know of a share. All of them get one request queue: no daemon takes more. */
export type VmmShare = Pick<Share, 'tag' | 'socketPath' | 'queueSize'>;

/**
 * Names a share's device, and what belongs to it, in its VMM: the same name for as long as the tag is the same, whatever
 * becomes of the sandbox's other shares. Letters, digits, `-` and `_`, which all VMMs take.
 */
export const deviceId = (tag: string): string =>
  `fs-${tag.replaceAll(/[^A-Za-z0-9-]/gu, (character) => `_${Buffer.from(character).toString('hex')}`)}`;
