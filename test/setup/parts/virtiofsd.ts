import { cacheDir } from '../cache-dir.mjs';
import type { Part } from '../part.ts';
import { UnavailableError } from '../setup-error.ts';
import { virtiofsdC } from './virtiofsd-c.ts';
import { builtVirtiofsdRust, virtiofsdRust } from './virtiofsd-rust.ts';

/** Some virtiofsd. */
export interface AnyVirtiofsd {
  readonly path: string;
  /** Which command line it understands. */
  readonly dialect: 'c' | 'rust';
}

/** Whichever virtiofsd is at hand soonest: a Rust one that is there, Debian 12's C one, else a Rust one to be got. */
export const virtiofsd: Part<AnyVirtiofsd> = {
  description: 'whichever virtiofsd is at hand soonest',
  async obtain(context) {
    const built = builtVirtiofsdRust(cacheDir());
    if (built !== undefined) return { path: built, dialect: 'rust' };
    try {
      return { path: await virtiofsdC.obtain(context), dialect: 'c' };
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      return { path: await virtiofsdRust.obtain(context), dialect: 'rust' };
    }
  },
};
