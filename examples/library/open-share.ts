import { openHost, qemuArguments } from 'containerd-shim-virtiofs';

// Usage: open-share.ts <directory to share> <state directory>
const [source = '/tmp', state = '/run/containerd-shim-virtiofs'] = process.argv.slice(2);

await using host = await openHost({ config: { version: 1, state, log: { level: 'warn' } } });
await using share = await host.openShare({ sandboxId: 'my-sandbox', tag: 'work', source });
await share.ready;

console.log(`socket ${share.socketPath}`);
console.log(`tag    ${share.tag}`);
console.log(`qemu   ${qemuArguments([share], { memoryMiB: 512 }).join(' ')}`);
// Both close here: virtiofsd has ended and its socket is gone when the program ends.
