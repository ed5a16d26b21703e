import type { VirtiofsdSettings } from './settings.ts';

/** Argument lines of the C virtiofsd that QEMU shipped until 7.2; `cache=none` is its word for `never`. */
export function virtiofsdCArgs(settings: VirtiofsdSettings, fd: number): string[] {
  const { cache, sourcePath, syslog, debug, extraArgs } = settings;
  return [
    ...(syslog ? ['--syslog'] : []),
    '-o',
    `cache=${cache === 'never' ? 'none' : cache}`,
    '-o',
    'no_posix_lock',
    '-o',
    `source=${sourcePath}`,
    `--fd=${fd}`,
    debug ? '-d' : '-f',
    ...extraArgs,
  ];
}
