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
    `source=${escape(sourcePath)}`,
    `--fd=${fd}`,
    debug ? '-d' : '-f',
    ...extraArgs,
  ];
}

/** To libfuse a comma ends a value, and a backslash takes the meaning of what follows or begins an octal number. */
const escape = (value: string): string => value.replaceAll(/[\\,]/g, '\\$&');
