import type { Options, Positional } from './command.ts';

/** What is shared. */
export const SOURCE = {
  value: 'SOURCE',
  purpose: 'The directory to share (default: an empty one, which goes with the share)',
  isOptional: true,
} as const satisfies Positional;

/** How a share is opened. */
export const SHARE_OPTIONS = {
  'read-only': { type: 'boolean', purpose: 'Let the guest change nothing' },
  cache: {
    type: 'string',
    value: 'MODE',
    purpose:
      "How long the guest may keep file data and names, of virtiofsd auto, always, metadata or never (default: the configuration's)",
  },
  'shared-fs': {
    type: 'string',
    value: 'NAME',
    purpose: "Which provider serves it (default: the configuration's)",
  },
} as const satisfies Options;
