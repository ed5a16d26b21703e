import { isAbsolute } from 'node:path';
import { parse } from 'smol-toml';
import { Code, StatusError } from 'ttrpc-ts';
import { hint } from '../config/problems.ts';
import type { Options } from '../proto/containerd/runtime-options_pb.ts';

/** The options that a runtime's table may have; containerd itself takes them in any case. */
const KNOWN = ['TypeUrl', 'ConfigPath'];

/**
 * The file that the runtime's options name. Where they name none, containerd hands over their whole table.
 *
 * @throws StatusError InvalidArgument for a relative path, and for an option that would be lost
 */
export function configPathOf({ configPath, configBody }: Options): string | undefined {
  if (configPath !== '') return requireAbsolute(configPath);
  const known = new Set(KNOWN.map((key) => key.toLowerCase()));
  const lost = Object.keys(parse(Buffer.from(configBody).toString())).find(
    (key) => !known.has(key.toLowerCase()),
  );
  if (lost === undefined) return undefined;
  throw new StatusError(
    Code.InvalidArgument,
    `Unknown runtime option ${JSON.stringify(lost)}${hint(lost, KNOWN)}; settings stand in the file that ConfigPath names`,
  );
}

function requireAbsolute(path: string): string {
  if (isAbsolute(path)) return path;
  const message = `The runtime option ConfigPath is ${JSON.stringify(path)}: use an absolute path`;
  throw new StatusError(Code.InvalidArgument, message);
}
