import { setTimeout as delay } from 'node:timers/promises';
import { Code, connect, createClient, StatusError, type Client, type Transport } from 'ttrpc-ts';
import { Shares } from '../../src/proto/share/shares_pb.ts';

/** Calls the share service of whoever has the address now, again and again. */
export interface Caller {
  /** The longest that a call took, from its first attempt, in milliseconds. */
  readonly longest: number;
  /** How many calls did not come through at first: the connection ended, or nobody listened. */
  readonly repeated: number;
  /** Calls no more; resolves when all calls are answered. */
  end(): Promise<void>;
}

/** How often it calls: a host that is asked for a share every 5 ms has no time for anything else, in milliseconds. */
const PERIODS_MS = { ask: 5, create: 50 } as const;

/** A host that ends says one or the other. */
const GONE: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Canceled]);

/** Begins to call: `ask` for what is not there, or `create` a share, which is closed again. */
export function openCaller(
  { address, source }: { address: string; source: string },
  kind: keyof typeof PERIODS_MS,
): Caller {
  const connection = openConnection(address);
  const underWay = new Set<Promise<void>>();
  let [longest, repeated, calls] = [0, 0, 0];
  const call = async (): Promise<void> => {
    const name = { sandboxId: `${kind}-${calls++}`, tag: 'bench' };
    const begin = performance.now();
    const attempts = await connection.call(async (shares) =>
      kind === 'ask' ? void (await shares.close(name)) : void (await shares.open({ ...name, source })),
    );
    longest = Math.max(longest, performance.now() - begin);
    if (attempts > 1) repeated++;
    if (kind === 'create') await connection.call(async (shares) => void (await shares.close(name)));
  };
  const timer = setInterval(() => {
    const calling = call().finally(() => underWay.delete(calling));
    underWay.add(calling);
  }, PERIODS_MS[kind]);
  return {
    get longest() {
      return longest;
    },
    get repeated() {
      return repeated;
    },
    async end() {
      clearInterval(timer);
      await Promise.all(underWay);
      await connection.close();
    },
  };
}

/** A connection that is made anew where it ends. */
function openConnection(path: string): {
  /** Resolves to the number of attempts that it took. */
  call(make: (shares: Client<typeof Shares>) => Promise<void>): Promise<number>;
  close(): Promise<void>;
} {
  let current: Promise<Transport> | undefined;
  const attempt = async (make: (shares: Client<typeof Shares>) => Promise<void>): Promise<boolean> => {
    const connecting = (current ??= connect({ path }));
    try {
      await make(createClient(Shares, await connecting));
      return true;
    } catch (error) {
      // A share that was opened before the connection ended is as good.
      if (StatusError.is(error) && error.code === Code.AlreadyExists) return true;
      if (!StatusError.is(error) || !GONE.has(error.code)) throw error;
      if (current === connecting) current = undefined;
      return false;
    }
  };
  return {
    async call(make) {
      for (let attempts = 1; ; attempts++) {
        // oxlint-disable-next-line no-await-in-loop -- until it comes through
        if (await attempt(make)) return attempts;
        // oxlint-disable-next-line no-await-in-loop
        await delay(1);
      }
    },
    async close() {
      await (await current?.catch(() => undefined))?.close();
    },
  };
}
