import { obtainOrSkip } from '../setup/obtain.ts';

/** A real virtiofsd, or why this machine cannot have it. */
export interface RealVirtiofsd {
  readonly name: string;
  readonly dialect: 'c' | 'rust';
  readonly path: string;
  /** For `skip` of node:test. */
  readonly skip: string | false;
}

/** The C virtiofsd and the Rust one. */
export async function realVirtiofsds(): Promise<readonly RealVirtiofsd[]> {
  const [c, rust] = await Promise.all([obtainOrSkip('virtiofsd-c'), obtainOrSkip('virtiofsd-rust')]);
  return [
    { name: 'the C virtiofsd', dialect: 'c', path: c.part ?? '', skip: c.skip },
    { name: 'the Rust virtiofsd', dialect: 'rust', path: rust.part ?? '', skip: rust.skip },
  ];
}
