/** The library for those who run a host. */
export { Code, StatusError } from 'ttrpc-ts';
export { parseConfig, readConfig, type ReadConfigOptions } from './config/read.ts';
export type { Config, ConfigInput } from './config/schema.ts';
export type { DaemonState } from './daemon/contract.ts';
export { describeEnd, isFailure, type DaemonExit, type EndDescription } from './daemon/exit.ts';
export {
  ConfigError,
  DaemonError,
  EXIT_CAUSES,
  type ConfigErrorDetail,
  type ExitCause,
  type ExitStatus,
} from './errors.ts';
export type { ShareEvent, ShareEvents } from './host/events.ts';
export { openHost, type Host, type HostOptions } from './host/host.ts';
export type { Takeable, TakeOver } from './host/lock.ts';
export type { JoinedShares, JoinRequest, LibraryShareRequest, ShareName } from './host/joined-shares.ts';
export type { Profile } from './host/profile.ts';
export type {
  Quit,
  Sandbox,
  SandboxContents,
  Sandboxes,
  SandboxExit,
  SandboxRequest,
} from './host/contract.ts';
export type { SandboxEvent, SandboxEvents } from './host/sandbox-events.ts';
export type { ShareMount } from './host/share-mounts.ts';
export type { ShareSnapshot } from './host/share-snapshot.ts';
export type { ShareSpec } from './host/share-spec.ts';
export { sendTraceContext } from './services/send-trace-context.ts';
export { serve, type ServeOptions, type Serving } from './services/serve.ts';
export type { MountRequest, Share, ShareStatus, UnmountOutcome } from './share/contract.ts';
export type { ShareOwner } from './share/owner.ts';
export type { StateDirectory } from './share/state-directory.ts';
export { addByChRemote, cloudHypervisorArguments, removeByChRemote } from './vmm/cloud-hypervisor.ts';
export { addByVirsh, libvirtElements, removeByVirsh } from './vmm/libvirt.ts';
export { qemuArguments } from './vmm/qemu.ts';
export { addByQmp, removeByQmp } from './vmm/qmp.ts';
export type { VmmShare } from './vmm/share.ts';
export type { StepTool, VmmStep } from './vmm/step.ts';
