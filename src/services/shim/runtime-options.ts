import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, AnySchema, type Any } from '@bufbuild/protobuf/wkt';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../../errors.ts';
import { readForeign } from '../../foreign/read.ts';
import { BootstrapParamsSchema } from '../../proto/containerd/bootstrap_pb.ts';
import { OptionsSchema, type Options } from '../../proto/containerd/runtime-options_pb.ts';
import { configPathOf } from '../config-path.ts';
import { SAVED_ENVIRONMENT, SAVED_INPUT } from './saved-start.ts';

/**
 * The configuration file that containerd was told to use for this sandbox: the runtime option `ConfigPath`.
 * Undefined where there is none, or where no shim's `start` made the bundle.
 *
 * @throws StatusError InvalidArgument for input that containerd does not write, and for other options than that one;
 *   what the file system says
 */
export async function readConfigPath(bundlePath: string, sandboxId: string): Promise<string | undefined> {
  const file = join(bundlePath, SAVED_INPUT);
  const input = await readSaved(file);
  const options = input && parseOptions(input, { file, sandboxId });
  return options && configPathOf(options);
}

/** A share that the sandbox was not meant to have would be open where an error is taken for no options. */
async function readSaved(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readForeign(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // Where the other one stands alone, the options have been lost.
    if ((code === 'ENOENT' || code === 'ENOTDIR') && !existsSync(join(dirname(file), SAVED_ENVIRONMENT)))
      return undefined;
    throw unreadable(file, cause, StatusError.is(cause) ? cause.code : Code.FailedPrecondition);
  }
}

function parseOptions(
  input: Uint8Array,
  { file, sandboxId }: { file: string; sandboxId: string },
): Options | undefined {
  try {
    return extensionsOf(input, sandboxId)
      .map((value) => anyUnpack(value, OptionsSchema))
      .find((options) => options !== undefined);
  } catch (cause) {
    throw unreadable(file, cause, Code.InvalidArgument);
  }
}

const unreadable = (file: string, cause: unknown, code: Code): StatusError =>
  new StatusError(code, `Cannot read containerd's runtime options in "${file}": ${messageOf(cause)}`, {
    cause,
  });

/**
 * containerd 2.3 and newer write BootstrapParams, older ones the options' Any. An Any parses as BootstrapParams too,
 * with its type's name as the id.
 */
function extensionsOf(input: Uint8Array, sandboxId: string): Any[] {
  const { instanceId, extensions } = fromBinary(BootstrapParamsSchema, input);
  if (instanceId === sandboxId) return extensions.flatMap(({ value }) => value ?? []);
  return [fromBinary(AnySchema, input)];
}
