import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** Returns the code name of this machine's Debian release, such as `bookworm`, or `unknown` elsewhere. */
export function debianRelease(): string {
  try {
    return parseEnv(readFileSync('/etc/os-release', 'utf8'))['VERSION_CODENAME'] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
