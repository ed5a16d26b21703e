import { anyUnpack, EmptySchema, type Any } from '@bufbuild/protobuf/wkt';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../../errors.ts';
import { OptionsSchema, type Options } from '../../proto/containerd/runtime-options_pb.ts';
import { typeNameOf } from '../type-name.ts';

/**
 * The options of a sandbox's runtime; undefined where it has none, for which some callers send an empty message.
 *
 * @throws StatusError InvalidArgument for those of another runtime, which would be lost, and for what is torn
 */
export function optionsOf(options: Any | undefined): Options | undefined {
  const type = options && typeNameOf(options);
  if (!options || options.typeUrl === '' || type === EmptySchema.typeName) return undefined;
  if (type !== OptionsSchema.typeName) {
    const message = `Unknown runtime options of type ${JSON.stringify(options.typeUrl)}: use "${OptionsSchema.typeName}", as CRI does`;
    throw new StatusError(Code.InvalidArgument, message);
  }
  try {
    return anyUnpack(options, OptionsSchema);
  } catch (cause) {
    const message = `Cannot read the runtime options of the sandbox: ${messageOf(cause)}`;
    throw new StatusError(Code.InvalidArgument, message, { cause });
  }
}
