import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { execa } from 'execa';
import { connect, createClient } from 'ttrpc-ts';
import { BootstrapParamsSchema, BootstrapResultSchema } from '../../src/proto/containerd/bootstrap_pb.ts';
import { Task } from '../../src/proto/containerd/task_pb.ts';
import { obtain } from '../setup/obtain.ts';
import type { Containerd } from '../harness/containerd/containerd.ts';

/** Measures `containerd-shim-runc-v2 … start`. Disposal has nothing left to end. */
export interface RuncStart extends AsyncDisposable {
  /** From the spawn of `start` to its end, in milliseconds; the shim that it leaves is ended, unmeasured. */
  measure(): Promise<number>;
}

/** Calls the runc shim as containerd would, without a container. */
export async function openRuncStart(containerd: Containerd): Promise<RuncStart> {
  const program = await obtain('runc-shim');
  let count = 0;
  return {
    async measure() {
      const id = `runc-${count++}`;
      const bundle = join(containerd.dir, 'runc', id);
      await mkdir(bundle, { recursive: true });
      await writeFile(join(bundle, 'config.json'), '{"ociVersion":"1.2.0"}');
      // It writes its log there and would not live without a reader.
      await execa('mkfifo', [join(bundle, 'log')]);
      const log = await open(join(bundle, 'log'), 'r+');
      const { dir, address, ttrpcAddress } = containerd;
      const args = ['-namespace', 'default', '-address', address, '-publish-binary', 'containerd', '-id', id];
      const env = { TTRPC_ADDRESS: ttrpcAddress, GRPC_ADDRESS: address, MAX_SHIM_VERSION: '3', TMPDIR: dir };
      const params = create(BootstrapParamsSchema, {
        instanceId: id,
        namespace: 'default',
        containerdVersion: '2.4.2',
        containerdTtrpcAddress: ttrpcAddress,
        containerdGrpcAddress: address,
        containerdBinary: 'containerd',
        socketDir: join(dir, 'runc'),
      });
      const input = toBinary(BootstrapParamsSchema, params);
      try {
        const begin = performance.now();
        const { stdout } = await execa(program, [...args, 'start'], {
          cwd: bundle,
          env,
          input,
          encoding: 'buffer',
        });
        const duration = performance.now() - begin;
        await shutDown(id, stdout);
        return duration;
      } finally {
        await log.close();
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function shutDown(id: string, answer: Uint8Array): Promise<void> {
  const { address } = fromBinary(BootstrapResultSchema, answer);
  await using transport = await connect({ path: address.replace('unix://', '') });
  // It may end before it answers.
  await createClient(Task, transport)
    .shutdown({ id, now: true })
    .catch(() => {});
  await transport.closed;
}
