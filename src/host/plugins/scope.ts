import { AsyncLocalStorage } from 'node:async_hooks';

const scope = new AsyncLocalStorage<string>();

/** Runs code of a plugin. Whatever it sets off, timers and promises of nobody too, is known by {@link currentPlugin}. */
export const inPlugin = <T>(name: string, action: () => T): T => scope.run(name, action);

/** The plugin in whose course this runs. */
export const currentPlugin = (): string | undefined => scope.getStore();
