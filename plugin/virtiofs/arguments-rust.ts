import type { VirtiofsdSettings } from './settings.ts';

/** Argument lines of the Rust virtiofsd. */
export function virtiofsdRustArgs(settings: VirtiofsdSettings, fd: number): string[] {
  const { cache, sourcePath, syslog, debug, readOnly, extraArgs } = settings;
  return [
    ...(syslog ? ['--syslog'] : []),
    `--cache=${cache}`,
    `--shared-dir=${sourcePath}`,
    `--fd=${fd}`,
    ...(readOnly ? ['--readonly'] : []),
    ...(debug ? ['--log-level=debug'] : []),
    ...extraArgs,
  ];
}
