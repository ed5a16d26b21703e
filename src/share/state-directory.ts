import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { MAX_TAG_BYTES } from '../config/schema.ts';

/** The host's directory of state: its identity, and all that adoption, diagnosis and clean-up need. */
export interface StateDirectory {
  readonly path: string;
  /** Where a share's record and output stand: `<state>/sandboxes/<namespace>/<id>/<tag>`. */
  shareDirectory(namespace: string, sandboxId: string, tag: string): string;
  sandboxDirectory(namespace: string, sandboxId: string): string;
  /** A fresh socket path, short whatever the sandbox is called: `<state>/s/<16 hex>.sock`. */
  newSocketPath(): string;
  /** Where those stand. */
  readonly socketDirectory: string;
  /** A fresh name, never used before, for a directory that the host owns: `<state>/shared/<random>`. */
  newSharedDirectory(): string;
}

/** containerd's own rule for names of namespaces and sandboxes (pkg/identifiers), here also against path tricks. */
const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const MAX_IDENTIFIER_LENGTH = 76;

/** Opens (and creates) a state directory, private to its owner because sockets and shared files stand in it. */
export function openStateDirectory(path: string): StateDirectory {
  for (const directory of [path, join(path, 'sandboxes'), join(path, 's'), join(path, 'shared')]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  return describeStateDirectory(path);
}

/** The places of a state directory, without touching it. */
export function describeStateDirectory(path: string): StateDirectory {
  const sandboxDirectory = (namespace: string, sandboxId: string): string =>
    join(path, 'sandboxes', identifier('namespace', namespace), identifier('sandbox id', sandboxId));
  return {
    path,
    sandboxDirectory,
    shareDirectory: (namespace, sandboxId, tag) =>
      join(sandboxDirectory(namespace, sandboxId), encodeURIComponent(requireTag(tag))),
    socketDirectory: join(path, 's'),
    newSocketPath: () => join(path, 's', `${randomBytes(8).toString('hex')}.sock`),
    newSharedDirectory: () => join(path, 'shared', randomBytes(16).toString('hex')),
  };
}

function identifier(what: string, value: string): string {
  if (IDENTIFIER.test(value) && value.length <= MAX_IDENTIFIER_LENGTH) return value;
  throw new StatusError(
    Code.InvalidArgument,
    `Invalid ${what} "${value}": use letters and digits with single ".", "_" or "-" between, at most ${MAX_IDENTIFIER_LENGTH} characters`,
  );
}

/** `.` and `..` would leave the sandbox's directory. */
function requireTag(tag: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  const printable = !/[\u0000-\u001f\u007f]/.test(tag);
  const bytes = Buffer.byteLength(tag);
  if (bytes > 0 && bytes <= MAX_TAG_BYTES && printable && tag.isWellFormed() && tag !== '.' && tag !== '..')
    return tag;
  throw new StatusError(
    Code.InvalidArgument,
    `Invalid tag ${JSON.stringify(tag)}: use 1 to ${MAX_TAG_BYTES} bytes without control characters`,
  );
}
