import { once } from 'node:events';
import { openHost } from 'containerd-shim-virtiofs';

// Usage: survive.ts <directory to share> <state directory>
const [source = '/tmp', state = '/run/containerd-shim-virtiofs'] = process.argv.slice(2);

const config = { version: 1, state, log: { level: 'warn' } } as const;
const host = await openHost({ config, shares: 'outlive-process' });

// What the program that was killed before this one had: the same daemon, and a VMM that notices nothing.
const sandbox = await host.sandboxes.find('default', 'my-sandbox');
const adopted = sandbox?.shares.find(({ tag }) => tag === 'work');
const share = adopted ?? (await host.openShare({ sandboxId: 'my-sandbox', tag: 'work', source }));
await share.ready;

console.log(`${adopted ? 'adopted' : 'opened'}, served by process ${share.pid} at ${share.socketPath}`);
console.log('Enter closes it; where this program is killed, the next one has it');
await once(process.stdin, 'readable');
process.stdin.destroy();
await host[Symbol.asyncDispose]();
