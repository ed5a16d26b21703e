import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { problemsOf } from '../config/problems.ts';
import { z } from '../config/zod-mini.ts';
import type { DaemonExit } from '../daemon/exit.ts';
import { EXIT_CAUSES, messageOf } from '../errors.ts';
import type { Share, ShareStatus } from '../share/contract.ts';
import { EXIT_POLICIES } from '../share/exit-policy.ts';

/** What a value has to be, and the words for it. */
type Expectation = readonly [isMet: (value: unknown) => boolean, words: string];

const A_STRING: Expectation = [(value) => typeof value === 'string', 'a string'];
const A_PATH: Expectation = [
  (value) => typeof value === 'string' && value.startsWith('/'),
  'an absolute path',
];
const A_PATH_OR_NOTHING: Expectation = [(value) => value === undefined || A_PATH[0](value), A_PATH[1]];
const A_STRING_OR_NOTHING: Expectation = [(value) => value === undefined || A_STRING[0](value), A_STRING[1]];
const A_NUMBER: Expectation = [
  (value) => Number.isSafeInteger(value) && Number(value) > 0,
  'a positive integer',
];
const A_FUNCTION: Expectation = [(value) => typeof value === 'function', 'a function'];
const A_PROMISE: Expectation = [
  (value) => A_FUNCTION[0]((value as { then?: unknown } | null | undefined)?.then),
  'a promise',
];

const A_POLICY_OR_NOTHING: Expectation = [
  (value) => value === undefined || (EXIT_POLICIES as readonly unknown[]).includes(value),
  `one of ${EXIT_POLICIES.join(', ')}`,
];

/** Not a schema of zod, which takes ten times as long: the caller waits for its share. */
const MEMBERS = {
  tag: A_STRING,
  socketPath: A_PATH,
  apiSocketPath: A_PATH_OR_NOTHING,
  sharedDir: A_PATH,
  queueSize: A_NUMBER,
  cache: A_STRING_OR_NOTHING,
  pid: A_NUMBER,
  ready: A_PROMISE,
  closed: A_PROMISE,
  status: A_FUNCTION,
  onExit: A_POLICY_OR_NOTHING,
} satisfies Partial<Record<keyof Share, Expectation>>;

/** What is read of a status; it has more to tell. */
const statusSchema = z.looseObject({
  state: z.enum(['starting', 'waiting', 'connected', 'stopping', 'exited']),
  lastLines: z.array(z.string()),
  restarts: z.optional(z.int().check(z.nonnegative())),
});

/** What is read of an end; it has more to tell. */
const exitSchema = z.looseObject({
  cause: z.enum(EXIT_CAUSES),
  message: z.string(),
  exitedAt: z.date(),
  uptimeMs: z.number(),
  lastLines: z.array(z.string()),
  exitCode: z.optional(z.int()),
  signal: z.optional(z.string()),
});

/** What a plugin is known by, and what it was asked for. */
export interface ShareOrigin {
  readonly plugin: string;
  readonly tag: string;
  readonly log: Logger;
}

/** A share that says when its state changes, and what follows its end. */
export type CheckedShare = Share & Required<Pick<Share, 'onChange' | 'onExit'>>;

/**
 * A share as its contract has it, made of what a plugin returned: its `closed` never rejects, its `status()` never
 * throws, and nobody has to wait for its `ready`. Of one that tells of no changes, its getting ready is one.
 *
 * @throws StatusError Internal, naming the plugin and the member, for what is no share
 */
export function checkShare(returned: unknown, origin: ShareOrigin): CheckedShare {
  const share = requireShare(returned, origin);
  const { tag, socketPath, apiSocketPath, sharedDir, queueSize, cache, onExit = 'stop-sandbox' } = share;
  const api = apiSocketPath === undefined ? {} : { apiSocketPath };
  const plain = { tag, socketPath, ...api, sharedDir, queueSize };
  return {
    ...plain,
    ...(cache === undefined ? {} : { cache }),
    onExit,
    get pid() {
      return share.pid;
    },
    get ready() {
      return readyOf(share);
    },
    closed: exitOf(share.closed, origin),
    status() {
      try {
        return statusOf(share);
      } catch (error) {
        const words = `${named(origin)} cannot say its status: ${messageOf(error)}`;
        return { ...plain, pid: share.pid, state: 'waiting', lastLines: [words] };
      }
    },
    onChange: (listener) => share.onChange?.(listener) ?? onReady(readyOf(share), listener),
    [Symbol.asyncDispose]: async () => share[Symbol.asyncDispose](),
  };
}

/** Nobody has to wait for it. */
function readyOf(share: Share): Promise<void> {
  const ready = Promise.resolve(share.ready);
  ready.catch(() => {});
  return ready;
}

function onReady(ready: Promise<void>, listener: () => void): Disposable {
  let isDisposed = false;
  const tell = (): void => {
    if (!isDisposed) listener();
  };
  ready.then(tell, () => {});
  return { [Symbol.dispose]: () => void (isDisposed = true) };
}

function statusOf(share: Share): ShareStatus {
  const status = share.status();
  const { error } = statusSchema.safeParse(status);
  if (!error) return status;
  const { key, message } = problemsOf(statusSchema, error.issues)[0] ?? { key: '', message: 'is not valid' };
  throw new Error(`${key}: ${message}`);
}

function requireShare(returned: unknown, origin: ShareOrigin): Share {
  const problem = problemOf(returned, origin.tag);
  if (problem === undefined) return returned as Share;
  throw new StatusError(Code.Internal, `${named(origin)} is no share: ${problem}`);
}

function problemOf(returned: unknown, expectedTag: string): string | undefined {
  if (typeof returned !== 'object' || returned === null) return 'expected an object';
  const members = returned as Partial<Record<keyof Share, unknown>>;
  for (const key of Object.keys(MEMBERS) as (keyof typeof MEMBERS)[]) {
    const [isMet, words] = MEMBERS[key];
    if (!isMet(members[key])) return `${key}: expected ${words}`;
  }
  if (members.onChange !== undefined && !A_FUNCTION[0](members.onChange))
    return 'onChange: expected a function';
  return members.tag === expectedTag ? undefined : `tag: "${String(members.tag)}" is another one`;
}

/** An end that is not told as the contract says counts as a failure, with the reason as its last line. */
async function exitOf(closed: PromiseLike<unknown>, origin: ShareOrigin): Promise<DaemonExit> {
  const openedAt = performance.now();
  const failed = (words: string): DaemonExit => {
    const line = `${named(origin)} ${words}`;
    origin.log.error(line);
    const uptimeMs = performance.now() - openedAt;
    return { cause: 'failed', message: line, exitedAt: new Date(), uptimeMs, lastLines: [line] };
  };
  try {
    const result = exitSchema.safeParse(await closed);
    return result.success ? result.data : failed('ended without saying how');
  } catch (error) {
    return failed(`failed: ${messageOf(error)}`);
  }
}

const named = ({ plugin, tag }: ShareOrigin): string => `What plugin "${plugin}" opened as share "${tag}"`;
