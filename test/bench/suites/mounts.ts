import { measureBinds } from '../mounts/bind.ts';
import { measureRafs } from '../mounts/rafs.ts';
import { AT_ONCE, MOUNTS } from '../mounts/sizes.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';

/** Mounts in a share: against the same without a host, and many of them. */
export const mounts: Suite = {
  name: 'mounts',
  description: `bind mounts against bare mount(8), images against nydusd's bare API; ${MOUNTS} in one share; the event loop while ${AT_ONCE} are made`,
  async run(options) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    const binds = await measureBinds(virtiofsd, options);
    const rafs = await measureRafs(virtiofsd, options);
    return { rows: [...binds.rows, ...rafs.rows], notes: [...binds.notes, ...rafs.notes] };
  },
};
