import { constants } from 'node:os';
import { getSystemErrorMessage } from 'node:util';
import { Code, StatusError } from 'ttrpc-ts';

/** What an error of the kernel means to a caller. */
interface Meaning {
  readonly code: Code;
  /** What to do. */
  readonly remedy: string;
}

const FULL: Meaning = {
  code: Code.ResourceExhausted,
  remedy: 'free space on its file system, or raise the quota',
};
const SICK: Meaning = { code: Code.Unavailable, remedy: 'see whether its file system is well' };
const FORBIDDEN: Meaning = { code: Code.PermissionDenied, remedy: 'let this user reach it' };

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EROFS: { code: Code.FailedPrecondition, remedy: 'make its file system writable, or use another' },
  EMFILE: {
    code: Code.ResourceExhausted,
    remedy: "raise this process's limit of descriptors (LimitNOFILE, ulimit -n)",
  },
  ENFILE: { code: Code.ResourceExhausted, remedy: "raise the machine's limit of open files (fs.file-max)" },
  EAGAIN: {
    code: Code.ResourceExhausted,
    remedy: 'raise the limit of processes (TasksMax, LimitNPROC, ulimit -u)',
  },
  ENOMEM: { code: Code.ResourceExhausted, remedy: 'free memory' },
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ENOENT: { code: Code.NotFound, remedy: 'create it first' },
  EEXIST: { code: Code.AlreadyExists, remedy: 'remove it first' },
  ENOTDIR: { code: Code.InvalidArgument, remedy: 'correct the path: a part of it is no directory' },
  ELOOP: { code: Code.InvalidArgument, remedy: 'correct the symbolic links: they lead in a circle' },
  ENAMETOOLONG: { code: Code.InvalidArgument, remedy: 'use a shorter path' },
  EIO: SICK,
  ESTALE: SICK,
  ENOTCONN: SICK,
  EHOSTDOWN: SICK,
};

/** True for an error of a system call, ours or that of a child that touched a path. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  ('syscall' in error || Object.hasOwn(constants.errno, error.code));

/**
 * An error of a system call as a status whose message says what was to be done, where, why it was not, and the remedy:
 * `Cannot open share "work": ENOSPC: no space left on device: "/run/x": free space …`.
 *
 * @param options.path named where the error itself names none, as that of a write
 * @returns undefined for any other error
 */
export function systemStatus(
  error: unknown,
  { doing, path }: { doing: string; path?: string | undefined },
): StatusError | undefined {
  if (!isSystemError(error)) return undefined;
  const { code: name = '', message } = error;
  const number = (constants.errno as Partial<Record<string, number>>)[name];
  const meaning = MEANINGS[name];
  const where = error.path ?? path;
  const parts = [
    doing,
    // Those of fs.cp() have words of their own.
    number === undefined ? message : `${name}: ${getSystemErrorMessage(-number)}`,
    ...(where === undefined ? [] : [`"${where}"`]),
    ...(meaning ? [meaning.remedy] : []),
  ];
  return new StatusError(meaning?.code ?? Code.Unknown, parts.join(': '), { cause: error });
}
