import { isMessage } from '@bufbuild/protobuf';
import { AnySchema, anyUnpack, type Any } from '@bufbuild/protobuf/wkt';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { PodSandboxConfigSchema } from '../proto/cri/pod-sandbox-config_pb.ts';
import { podAttributes, type Pod } from '../share/pod.ts';
import { typeNameOf } from './type-name.ts';

/**
 * The pod that a sandbox is created for; undefined where the options are not those of CRI.
 *
 * @throws StatusError InvalidArgument
 */
export function podOf(options: Any | undefined): Pod | undefined {
  if (!options || typeNameOf(options) !== PodSandboxConfigSchema.typeName) return undefined;
  try {
    const config = anyUnpack(options, PodSandboxConfigSchema);
    if (!config?.metadata) return undefined;
    const { labels, annotations } = config;
    const { name, namespace, uid, attempt } = config.metadata;
    return { name, namespace, uid, attempt, labels, annotations };
  } catch (cause) {
    const message = `Cannot read the pod's configuration in the options of the sandbox: ${messageOf(cause)}`;
    throw new StatusError(Code.InvalidArgument, message, { cause });
  }
}

/** What the span and the log line of a call tell of the pod that its message describes. */
export function podAttributesOf(message: unknown): Record<string, string> {
  const { options } = message as { readonly options?: unknown };
  try {
    return isMessage(options, AnySchema) ? podAttributes(podOf(options)) : {};
  } catch {
    // The call itself fails with it.
    return {};
  }
}
