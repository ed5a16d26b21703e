// Has a QEMU that runs add a share or remove it: hot-plug.ts add|remove QMP_SOCKET <JSON of shim-virtiofs open or inspect
import { json } from 'node:stream/consumers';
import { runSteps, type Step } from './qmp.ts';

const [action, socketPath] = process.argv.slice(2);
if ((action !== 'add' && action !== 'remove') || !socketPath)
  throw new Error('Usage: hot-plug.ts add|remove QMP_SOCKET');
const { vmm } = (await json(process.stdin)) as { vmm: Record<'add' | 'remove', readonly Step[]> };
await runSteps(socketPath, vmm[action]);
