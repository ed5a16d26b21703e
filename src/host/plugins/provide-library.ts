import { registerHooks } from 'node:module';
import { PACKAGE } from '../../tracing/span.ts';

const LIBRARY = new URL('../../index.ts', import.meta.url).href;

let provided = false;

/**
 * Lets plugins anywhere import this library by its package name and get the host's own instance: a second copy would
 * have its own daemons, its own tracer and other error classes.
 */
export function provideLibrary(): void {
  if (provided) return;
  provided = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === PACKAGE ? { url: LIBRARY, shortCircuit: true } : next(specifier, context),
  });
}
