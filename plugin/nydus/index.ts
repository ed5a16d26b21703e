export { configSchema, type NydusConfig } from './config.ts';
export { createProvider } from './provider.ts';
export { NYDUS_OVERLAY, parseNydusOverlay, type NydusOverlay } from './overlay-option.ts';
