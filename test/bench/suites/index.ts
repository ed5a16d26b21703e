import type { Suite } from '../suite.ts';
import { adoption } from './adoption.ts';
import { containerd } from './containerd.ts';
import { controller } from './controller.ts';
import { coldShare } from './cold-share.ts';
import { encode } from './encode.ts';
import { live } from './live.ts';
import { many } from './many.ts';
import { mounts } from './mounts.ts';
import { start } from './start.ts';
import { stop } from './stop.ts';
import { takeOver } from './take-over.ts';

/** Every suite, in the order in which they run. */
export const suites: readonly Suite[] = [
  start,
  coldShare,
  stop,
  many,
  mounts,
  live,
  adoption,
  takeOver,
  containerd,
  controller,
  encode,
];
