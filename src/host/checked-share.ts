import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { z } from 'zod';
import { problemsOf } from '../config/problems.ts';
import type { DaemonExit } from '../daemon/exit.ts';
import { messageOf } from '../errors.ts';
import type { Share } from '../share/contract.ts';

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
const promise = z.custom<PromiseLike<unknown>>(isThenable, 'Invalid input: expected a promise');
const aFunction = z.custom((value) => typeof value === 'function', 'Invalid input: expected a function');

const shareSchema = z.object({
  tag: z.string(),
  socketPath: z.string().startsWith('/'),
  apiSocketPath: z.string().startsWith('/').optional(),
  sharedDir: z.string().startsWith('/'),
  queueSize: z.int().positive(),
  pid: z.int().positive(),
  ready: promise,
  closed: promise,
  status: aFunction,
});

/** What is read of an end; it has more to tell. */
const exitSchema = z.looseObject({
  reason: z.enum(['stopped', 'disconnected', 'failed']),
  uptimeMs: z.number(),
  lastLines: z.array(z.string()),
  exitCode: z.int().optional(),
  signal: z.string().optional(),
});

/** What a plugin is known by, and what it was asked for. */
export interface ShareOrigin {
  readonly plugin: string;
  readonly tag: string;
  readonly log: Logger;
}

/**
 * A share as its contract has it, made of what a plugin returned: its `closed` never rejects, its `status()` never
 * throws, and nobody has to wait for its `ready`.
 *
 * @throws StatusError Internal, naming the plugin and the member, for what is no share
 */
export function checkShare(returned: unknown, origin: ShareOrigin): Share {
  const share = requireShare(returned, origin);
  const { tag, socketPath, apiSocketPath, sharedDir, queueSize, pid } = share;
  const api = apiSocketPath === undefined ? {} : { apiSocketPath };
  const plain = { tag, socketPath, ...api, sharedDir, queueSize, pid };
  const ready = Promise.resolve(share.ready);
  ready.catch(() => {});
  return {
    ...plain,
    ready,
    closed: exitOf(share.closed, origin),
    status() {
      try {
        return share.status();
      } catch (error) {
        const words = `${named(origin)} cannot say its status: ${messageOf(error)}`;
        return { ...plain, state: 'waiting', lastLines: [words] };
      }
    },
    [Symbol.asyncDispose]: async () => share[Symbol.asyncDispose](),
  };
}

function requireShare(returned: unknown, origin: ShareOrigin): Share {
  const result = shareSchema.safeParse(returned);
  if (result.success && result.data.tag === origin.tag) return returned as Share;
  const { key, message } = result.success
    ? { key: 'tag', message: `"${result.data.tag}" is another one` }
    : (problemsOf(shareSchema, result.error.issues)[0] ?? { key: '', message: 'is not valid' });
  throw new StatusError(Code.Internal, `${named(origin)} is no share: ${key ? `${key}: ` : ''}${message}`);
}

/** An end that is not told as the contract says counts as a failure, with the reason as its last line. */
async function exitOf(closed: PromiseLike<unknown>, origin: ShareOrigin): Promise<DaemonExit> {
  const openedAt = performance.now();
  const failed = (words: string): DaemonExit => {
    const line = `${named(origin)} ${words}`;
    origin.log.error(line);
    return { reason: 'failed', uptimeMs: performance.now() - openedAt, lastLines: [line] };
  };
  try {
    const result = exitSchema.safeParse(await closed);
    return result.success ? result.data : failed('ended without saying how');
  } catch (error) {
    return failed(`failed: ${messageOf(error)}`);
  }
}

const named = ({ plugin, tag }: ShareOrigin): string => `What plugin "${plugin}" opened as share "${tag}"`;
