import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import type { Share } from '../../src/proto/share/shares_pb.ts';
import { isGone } from '../harness/leftovers.ts';
import type { ServeProcess } from '../harness/serve-process.ts';
import type { VhostUserClient } from '../harness/vhost-user.ts';
import { makeRandom, type Random } from '../ttrpc-ts/fuzz/random.ts';
import { settle } from './invariants.ts';
import { descriptorsOf } from './machine.ts';
import { openPlace, type DaemonChoice, type Place } from './place.ts';

/** A share as the walk knows it. */
export interface KnownShare {
  readonly sandboxId: string;
  readonly tag: string;
  readonly pid: number;
  readonly socketPath: string;
  readonly sharedDir: string;
  vmm?: VhostUserClient | undefined;
  /** True once its daemon has ended. */
  isDead: boolean;
}

/** All that a walk has to do with. Disposal ends its host and daemons and removes the rest. */
export interface World extends AsyncDisposable {
  readonly place: Place;
  readonly random: Random;
  readonly host: ServeProcess;
  readonly shares: Map<string, KnownShare>;
  /** Sandboxes of which a daemon has died: they may refuse further shares. */
  readonly ended: Set<string>;
  /** Ends the host by a signal. */
  endHost(signal: NodeJS.Signals): Promise<void>;
  startHost(): Promise<void>;
  /** Takes what was opened, or adopted, for a share from now on. */
  learn(share: Share): void;
  /** Takes what was closed for gone. */
  forget(key: string): void;
  /** Resolves to what is wrong, when everything has had time to end. */
  check(): Promise<string[]>;
}

/** A share's name in the model. */
export const keyOf = ({ sandboxId, tag }: { sandboxId: string; tag: string }): string =>
  `${sandboxId}/${tag}`;

/** Makes a world with a host without shares, and with files and a process of others in its way. */
export async function openWorld(choice: DaemonChoice, seed: number): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await openPlace(choice));
  const strangers = leaveStrangers(place);
  const passerBy = spawn('/bin/sh', ['-s'], { stdio: ['pipe', 'ignore', 'ignore'] });
  stack.defer(() => void passerBy.kill('SIGKILL'));
  const shares = new Map<string, KnownShare>();
  const ended = new Set<string>();
  let host = await place.start();
  let base = { ...descriptorsOf(host.pid, place.directory) };
  stack.defer(async () => {
    await host[Symbol.asyncDispose]();
    for (const { pid, isDead, vmm } of shares.values()) {
      vmm?.[Symbol.dispose]();
      if (!isDead && !isGone(pid)) process.kill(pid, 'SIGKILL');
    }
  });
  const forget = (key: string): void => {
    const share = shares.get(key);
    share?.vmm?.[Symbol.dispose]();
    shares.delete(key);
    if (share && ![...shares.values()].some(({ sandboxId }) => sandboxId === share.sandboxId))
      ended.delete(share.sandboxId);
  };
  const own = stack.move();
  return {
    place,
    random: makeRandom(seed),
    shares,
    ended,
    get host() {
      return host;
    },
    async endHost(signal) {
      await host.end(signal);
      await host[Symbol.asyncDispose]();
    },
    async startHost() {
      host = await place.start();
      base = { ...descriptorsOf(host.pid, place.directory) };
    },
    learn: (share) => void shares.set(keyOf(share), { ...share, isDead: false }),
    forget,
    check: () =>
      settle(async () => [
        ...(await modelFlaws(host, shares)),
        ...place.violations(host, { shares: [...shares.values()].map(expectedOf), strangers, base }),
        ...(isGone(passerBy.pid ?? 0) ? ["a stranger's process is gone"] : []),
      ]),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

const expectedOf = (share: KnownShare) => ({ ...share, isAlive: !share.isDead });

/** What the host lists that the walk does not know so, and the other way round. */
async function modelFlaws(host: ServeProcess, shares: ReadonlyMap<string, KnownShare>): Promise<string[]> {
  const { shares: listed } = await host.shares.list({});
  const flaws = listed.flatMap((share) => {
    const known = shares.get(keyOf(share));
    if (!known) return [`share ${keyOf(share)} (${share.state}) is listed`];
    const state = known.isDead ? 'exited' : known.vmm ? 'connected' : 'waiting';
    const cause = share.exit?.cause;
    return [
      ...(share.pid === known.pid ? [] : [`share ${keyOf(share)} has daemon ${share.pid}, not ${known.pid}`]),
      ...(share.state === state ? [] : [`share ${keyOf(share)} is ${share.state}, not ${state}`]),
      ...(share.state !== 'exited' || cause ? [] : [`share ${keyOf(share)} has ended without a cause`]),
    ];
  });
  const keys = listed.map(keyOf);
  return [
    ...flaws,
    ...[...shares.keys()].filter((key) => !keys.includes(key)).map((key) => `share ${key} is not listed`),
  ];
}

/** Files of others, in every place where the host looks for what dead ones left. */
function leaveStrangers({ state, sharedDirectory }: Place): string[] {
  const places = ['s', 'sandboxes', 'sandboxes/other'].map((name) => join(state, name));
  return [...places, sharedDirectory].flatMap((directory) => {
    const isNew = !existsSync(directory);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'precious');
    writeFileSync(path, '');
    return isNew && directory.endsWith('/other') ? [directory, path] : [path];
  });
}
