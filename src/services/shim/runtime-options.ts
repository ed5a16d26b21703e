import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, AnySchema, type Any } from '@bufbuild/protobuf/wkt';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../../errors.ts';
import { BootstrapParamsSchema } from '../../proto/containerd/bootstrap_pb.ts';
import { OptionsSchema } from '../../proto/containerd/runtime-options_pb.ts';

/** Where the shim's `start` saved its standard input, in the bundle. */
const SAVED_INPUT = 'shim-start.stdin';
/** What `start` saved besides. */
const SAVED_ADDRESSES = 'shim-start.env';

/**
 * The configuration file that containerd was told to use for this sandbox: the runtime option `ConfigPath`.
 * Undefined where there is none, or where no shim's `start` made the bundle.
 *
 * @throws StatusError InvalidArgument for input that containerd does not write, Unavailable where it cannot be read
 */
export async function readConfigPath(bundlePath: string, sandboxId: string): Promise<string | undefined> {
  const file = join(bundlePath, SAVED_INPUT);
  const input = await readSaved(file);
  if (input.length === 0) return undefined;
  try {
    for (const value of extensionsOf(input, sandboxId)) {
      const options = anyUnpack(value, OptionsSchema);
      if (options?.configPath) return options.configPath;
    }
    return undefined;
  } catch (cause) {
    throw new StatusError(Code.InvalidArgument, `Cannot read containerd's runtime options in "${file}"`, {
      cause,
    });
  }
}

/** What must not be taken for no options: the sandbox would get other shares than it is to have. */
async function readSaved(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    if (
      (cause as NodeJS.ErrnoException).code === 'ENOENT' &&
      !existsSync(join(dirname(file), SAVED_ADDRESSES))
    )
      return new Uint8Array();
    const message = `Cannot read the runtime options that "start" saved in "${file}": ${messageOf(cause)}`;
    throw new StatusError(Code.Unavailable, message, { cause });
  }
}

/**
 * containerd 2.3 and newer write BootstrapParams, older ones the options' Any. An Any parses as BootstrapParams too,
 * with its type's name as the id.
 */
function extensionsOf(input: Uint8Array, sandboxId: string): Any[] {
  const { instanceId, extensions } = fromBinary(BootstrapParamsSchema, input);
  if (instanceId === sandboxId) return extensions.flatMap(({ value }) => value ?? []);
  return [fromBinary(AnySchema, input)];
}
