/** The library for those who write a plugin. */
export { Code, StatusError } from 'ttrpc-ts';
export { abortable } from './async/abortable.ts';
export { askOnce, askProgram, type AskProgram, type ProgramAnswer } from './daemon/ask-program.ts';
export type { Daemon, DaemonState } from './daemon/contract.ts';
export { daemonEnvironment } from './daemon/environment.ts';
export {
  UNKNOWN_SIGNAL,
  type DaemonEnd,
  type DaemonExit,
  type EndDescription,
  type EndMeaning,
} from './daemon/exit.ts';
export { findProgram } from './daemon/find-program.ts';
export { createDaemons, type Daemons } from './daemon/pool/pool.ts';
export { requireProgram, type ProgramWords } from './daemon/requirements.ts';
export type { DaemonSpec, DaemonTraits, LineLevel, Program, Readiness } from './daemon/spec.ts';
export { DaemonError, messageOf, type ExitCause, type ExitStatus } from './errors.ts';
export { readForeignPart } from './foreign/read.ts';
export { isDirectory, isFile, statForeign, type ForeignStat } from './foreign/stat.ts';
export type { TouchOptions } from './foreign/touch-in-child.ts';
export { systemStatus } from './proc/system-error.ts';
export type {
  CallOptions,
  CreateProvider,
  MountOutcome,
  MountRecipe,
  MountRequest,
  PluginContext,
  PluginMountOptions,
  Provider,
  Share,
  ShareRequest,
  ShareStatus,
  UnmountOutcome,
} from './share/contract.ts';
export { EXIT_POLICIES, type ExitPolicy } from './share/exit-policy.ts';
export { adoptShare, type AdoptShareOptions } from './share/adopt-share.ts';
export { mountBind, unmountBind } from './share/bind-mounts.ts';
export { openShare, type OpenShareOptions, type SharePaths } from './share/open-share.ts';
export type { ShareOwner } from './share/owner.ts';
export type { Pod, PodName } from './share/pod.ts';
export type { ShareRecord } from './share/record.ts';
export { resolveSource } from './share/resolve-source.ts';
export { settleBinds } from './share/settle-binds.ts';
export type { StateDirectory } from './share/state-directory.ts';
export { reportLater, type ReportError } from './tracing/span.ts';
