export { Code, StatusError } from 'ttrpc-ts';
/** The schema library of the host, so that a plugin needs no packages of its own. */
export { z } from 'zod';
export { sendTraceContext } from './services/send-trace-context.ts';
export { serve, type Serving } from './services/serve.ts';
export { parseConfig, readConfig, type ReadConfigOptions } from './config/read.ts';
export { configSchema, type Config, type ConfigInput } from './config/schema.ts';
export {
  startDaemon,
  type Daemon,
  type DaemonExit,
  type DaemonOptions,
  type DaemonState,
} from './daemon/daemon.ts';
export {
  startVirtiofsd,
  type VirtiofsdSettings,
  type VirtiofsdSurroundings,
} from '../plugin/virtiofs/virtiofsd.ts';
export { ConfigError, DaemonError, type ConfigErrorDetail, type ExitStatus } from './errors.ts';
export { openHost, type Host, type HostOptions } from './host/host.ts';
export type { Profile } from './host/profile.ts';
export type { Quit, Sandboxes } from './host/sandboxes.ts';
export type { Sandbox, SandboxContents, SandboxExit, SandboxRequest, ShareSpec } from './host/sandbox.ts';
export { openDaemonShare, type DaemonShareOptions, type SharePlaces } from './share/open-share.ts';
export type {
  CreateRequest,
  DaemonSlots,
  DeleteRequest,
  Hooks,
  MountHookRequest,
  MountRequest,
  PluginContext,
  Provider,
  Share,
  ShareOwner,
  ShareRequest,
  ShareStatus,
} from './share/contract.ts';
export type { StateDirectory } from './share/state-directory.ts';
export { virtiofsConfigSchema, type VirtiofsConfig } from '../plugin/virtiofs/config.ts';
export { createVirtiofsProvider } from '../plugin/virtiofs/provider.ts';
export { qemuArguments } from './vmm/qemu.ts';
