import { obtainOrSkip } from '../setup/obtain.ts';

/** A virtiofsd of this machine. */
export interface Virtiofsd {
  readonly path: string;
  readonly dialect: 'c' | 'rust';
  /** How the tables call it. */
  readonly label: string;
}

/** Resolves to those that this machine can have, and to a note for each that it cannot. */
export async function obtainVirtiofsds(): Promise<{ found: Virtiofsd[]; notes: string[] }> {
  const rust = await obtainOrSkip('virtiofsd-rust');
  const c = await obtainOrSkip('virtiofsd-c');
  const found: Virtiofsd[] = [];
  if (rust.skip === false) found.push({ path: rust.part, dialect: 'rust', label: 'Rust virtiofsd' });
  if (c.skip === false) found.push({ path: c.part, dialect: 'c', label: 'C virtiofsd' });
  return { found, notes: [rust.skip, c.skip].filter((skip) => skip !== false) };
}

/** Returns the tables of plugins with which a host uses it. */
export function virtiofsdConfigTable({
  path,
}: Pick<Virtiofsd, 'path'>): Record<string, Record<string, unknown>> {
  return { 'io.containerd.fsshare.v1.virtiofs': { virtio_fs_daemon: path } };
}
