// A host that serves, in a process of its own, and answers each line of its input with one line of JSON.
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { openHost, serve } from '../../src/index.ts';
import { createLogger } from '../../src/tracing/log.ts';
import { observeMemory } from './memory.ts';
import { observeTurns, type Turns } from './turns.ts';

const [config = '', state = '', logFile = ''] = process.argv.slice(2);
const log = createLogger('info', pino.destination({ dest: logFile, sync: false }));
const host = await openHost({ config, state, log });
const serving = await serve(host);
await host.adopted;

let watched: { readonly end: () => void; readonly turns: Promise<Turns> } | undefined;

const actions: Record<string, () => unknown> = {
  memory: () => observeMemory(),
  /** Observes the turns of the event loop until `observed`. */
  observe() {
    const { promise, resolve } = Promise.withResolvers<void>();
    watched = { end: resolve, turns: observeTurns(() => promise).then(({ turns }) => turns) };
    return null;
  },
  observed() {
    watched?.end();
    return watched?.turns;
  },
};

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await actions[line]?.()));
await serving[Symbol.asyncDispose]();
await host[Symbol.asyncDispose]();
process.exit();
