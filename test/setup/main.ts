import { bench } from './commands/bench.ts';
import { chaos } from './commands/chaos.ts';
import { check } from './commands/check.ts';
import { type Command, usage } from './commands/command.ts';
import { demo } from './commands/demo.ts';
import { release } from './commands/release.ts';
import { setup } from './commands/setup.ts';
import { test } from './commands/test.ts';
import { onInterrupt } from './interrupt.ts';
import { SetupError } from './setup-error.ts';

const commands: Readonly<Record<string, Command>> = { demo, test, check, bench, chaos, setup, release };

const [name = '', ...args] = process.argv.slice(2);
const command = commands[name];
const interrupt = onInterrupt();
if (command === undefined || (args.includes('--help') && !command.hasOwnHelp)) {
  console.log(usage(commands));
  process.exitCode = command === undefined ? 2 : 0;
} else {
  try {
    process.exitCode = await command.run({ args, signal: interrupt.signal });
  } catch (error) {
    if (interrupt.signal.aborted) console.error('Interrupted');
    else if (error instanceof SetupError) console.error(error.message);
    else throw error;
    process.exitCode = 1;
  }
  process.exitCode = interrupt.exitCode ?? process.exitCode;
}
interrupt.stopListening();
