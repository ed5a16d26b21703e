import { create as createMessage } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';

import { SandboxSchema, type Sandbox } from '../../../src/proto/containerd/sandbox-record_pb.ts';
import type { Options } from '../../../src/proto/containerd/runtime-options_pb.ts';
import { OptionsSchema } from '../../../src/proto/containerd/runtime-options_pb.ts';
import type { GrpcCallOptions, GrpcConnection } from './grpc.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { Store } from './proto/sandbox-store_pb.ts';

/** What a test wants to say about a sandbox. */
export interface SandboxSettings {
  readonly id: string;
  /** The OCI spec, any JSON value; config.json of the bundle. */
  readonly spec: unknown;
  /** @default "io.containerd.virtiofs.v1" */
  readonly runtime?: string;
  readonly runtimeOptions?: Options;
  /** "shim" or the name of a proxy plugin. @default "shim" */
  readonly sandboxer?: string;
}

/** Records a sandbox in containerd's store and has its controller create it, as `ctr sandboxes create` does. */
export async function createSandbox(
  grpc: GrpcConnection,
  settings: SandboxSettings,
  options: GrpcCallOptions = {},
): Promise<void> {
  const createRecorded = await recordSandbox(grpc, settings, options);
  await createRecorded();
}

/** The first half of {@link createSandbox}; resolves to the second. */
export async function recordSandbox(
  grpc: GrpcConnection,
  settings: SandboxSettings,
  options: GrpcCallOptions = {},
): Promise<() => Promise<void>> {
  const sandbox = sandboxRecord(settings);
  await grpc.unary(Store.method.create, { sandbox }, options);
  const { sandboxId, sandboxer } = sandbox;
  return async () => {
    await grpc.unary(Controller.method.create, { sandboxId, sandboxer, sandbox }, options);
  };
}

/** Stops and shuts down a sandbox and forgets its record, as `ctr sandboxes rm` does. */
export async function removeSandbox(
  grpc: GrpcConnection,
  id: string,
  options: GrpcCallOptions = {},
): Promise<void> {
  const { sandbox } = await grpc.unary(Store.method.get, { sandboxId: id }, options);
  const request = { sandboxId: id, sandboxer: sandbox?.sandboxer ?? 'shim' };
  await grpc.unary(Controller.method.stop, request, options);
  await grpc.unary(Controller.method.shutdown, request, options);
  await grpc.unary(Store.method.delete, { sandboxId: id }, options);
}

function sandboxRecord({ id, spec, runtime, runtimeOptions, sandboxer }: SandboxSettings): Sandbox {
  return createMessage(SandboxSchema, {
    sandboxId: id,
    sandboxer: sandboxer ?? 'shim',
    runtime: {
      name: runtime ?? 'io.containerd.virtiofs.v1',
      ...(runtimeOptions === undefined ? {} : { options: anyPack(OptionsSchema, runtimeOptions) }),
    },
    // containerd's typeurl of an OCI spec: JSON, not protobuf.
    spec: {
      typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Spec',
      value: Buffer.from(JSON.stringify(spec)),
    },
  });
}
