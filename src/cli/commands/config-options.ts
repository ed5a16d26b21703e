import { DEFAULT_STATE } from '../../config/default-state.ts';
import type { Options } from './command.ts';

/** The configuration that a node has. */
export const DEFAULT_CONFIG = '/etc/containerd-shim-virtiofs/config.toml';

/** The options of commands that read a configuration. */
export const CONFIG_OPTIONS = {
  config: {
    type: 'string',
    short: 'c',
    value: 'FILE',
    purpose: `Configuration (default: ${DEFAULT_CONFIG})`,
  },
  state: {
    type: 'string',
    value: 'DIR',
    purpose: `State directory (default: the configuration's, else ${DEFAULT_STATE})`,
  },
} as const satisfies Options;
