const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  registerHooks({ load: (url, context, next) => (writeSync(2, url + '\\n'), next(url, context)) });
`)}`;

/** The option of Node.js that has a program tell on standard error which modules it loads. */
export const TELL_MODULES: string = `--import=${HOOK}`;

/** The URLs of the files that were loaded, in what such a program told. */
export const toldModules = (stderr: string): string[] =>
  stderr.split('\n').filter((line) => line.startsWith('file:'));
