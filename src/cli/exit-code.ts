/** The exit codes of `shim-virtiofs`, the same for all commands. */
export const ExitCode = {
  Done: 0,
  Failed: 1,
  /** The command line or the configuration is wrong, or what they name cannot be. */
  Usage: 2,
  NoHost: 3,
  /** No such sandbox or share. */
  NotFound: 4,
} as const;
