export { CACHE_MODES, configSchema, type VirtiofsConfig } from './config.ts';
export { createProvider } from './provider.ts';
export type { VirtiofsdSettings } from './settings.ts';
export { describeVirtiofsd, startVirtiofsd, type StartVirtiofsdOptions } from './virtiofsd.ts';
