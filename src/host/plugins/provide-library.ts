import { registerHooks } from 'node:module';
import { LIBRARY } from '../../package.ts';

let provided = false;

/**
 * Lets plugins anywhere import this library by its package name and get the host's own instance: a second copy would
 * have its own daemons, its own tracer and other error classes.
 */
export function provideLibrary(): void {
  if (provided) return;
  provided = true;
  registerHooks({
    resolve: (specifier, context, next) => {
      const url = Object.hasOwn(LIBRARY, specifier) ? LIBRARY[specifier] : undefined;
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
}
