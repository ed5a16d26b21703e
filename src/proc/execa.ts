import type { execa } from 'execa';

/**
 * Loads execa at the first process that is waited for: nothing of it is needed until a host announces itself, and it would
 * take a good part of the time until then.
 */
export const loadExeca = async (): Promise<typeof execa> => (await import('execa')).execa;
