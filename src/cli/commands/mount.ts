import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemStatus } from '../../proc/system-error.ts';
import { MountResponseSchema } from '../../proto/share/shares_pb.ts';
import { printable } from '../../text/printable.ts';
import { callHost } from '../call-host.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { CommandError, defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_OPTION } from './host-options.ts';

/** Mounts something in a share. */
export const mount = defineCommand({
  description: `Mounts a directory or file of the host in a share without a source, where the guest sees it at once; or, in a
share of a provider of images, an image. It stays until "shim-virtiofs unmount", or until the share is closed. A mountpoint is used
once in a share: a guest remembers names. Ctrl-C, while it waits, has the host give it up.
With --json it prints {"mount": {...}}.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: "The sandbox's id" },
    tag: { value: 'TAG', purpose: 'The share' },
    source: { value: 'SOURCE', purpose: 'The directory or file; of an image its bootstrap' },
    mountpoint: {
      value: 'MOUNTPOINT',
      purpose: 'Where the guest sees it, from the root of the share: /data',
    },
  },
  options: {
    ...HOST_OPTIONS,
    ...NAMESPACE_OPTION,
    'read-only': {
      type: 'boolean',
      purpose: 'Let the guest change nothing in it, nor in what is mounted beneath',
    },
    type: {
      type: 'string',
      value: 'TYPE',
      purpose: "What it is (default: the provider's own kind, as bind)",
    },
    options: {
      type: 'string',
      short: 'o',
      value: 'LIST',
      purpose: 'Options of the mount, with commas between',
    },
    'image-config': { type: 'string', value: 'FILE', purpose: "The JSON of an image's backend" },
    ...JSON_OPTION,
  },
  exitStatus:
    '0 done, 1 failed, 2 wrong usage, name or option, 3 no host runs, 4 no such sandbox, share or source',
  run: ({
    sandbox,
    tag,
    source,
    mountpoint,
    namespace = '',
    'read-only': readOnly,
    type = '',
    options: list,
    'image-config': file,
    json,
    ...host
  }) => {
    const options = [...(list?.split(',') ?? []), ...(readOnly ? ['ro'] : [])];
    const config = file === undefined ? '' : readImageConfig(file);
    const request = {
      namespace,
      sandboxId: sandbox,
      tag,
      source: resolve(source),
      mountpoint,
      type,
      options,
      config,
    };
    return callHost(host, async (service) => {
      const response = await service.mount(request);
      if (json) await print(jsonText(jsonOf(MountResponseSchema, response), 'document'));
      else await print(`Mounted "${printable(source)}" at "${printable(mountpoint)}"\n`);
      return ExitCode.Done;
    });
  },
});

/** @throws CommandError naming the option and the file */
function readImageConfig(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const status = systemStatus(cause, { doing: 'Cannot read the file of --image-config', path: file });
    throw status ? new CommandError(ExitCode.Usage, status.message, { cause }) : cause;
  }
}
