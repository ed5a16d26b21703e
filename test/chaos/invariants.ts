import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { descriptorsOf, listenersIn, namesIn, processesOf, type RelatedProcess } from './machine.ts';

/** What a share is known to have. */
export interface ExpectedShare {
  readonly sandboxId: string;
  readonly tag: string;
  readonly pid: number;
  readonly socketPath: string;
  readonly sharedDir: string;
  /** False when its daemon has ended. */
  readonly isAlive: boolean;
}

/** What has to be true of a directory, and nothing else. */
export interface Expected {
  /** In it: the state directory `state`, scratch directories, sources. */
  readonly directory: string;
  /** Where the host has its directories for guests. */
  readonly sharedDirectory: string;
  readonly hostPid: number;
  readonly shares: readonly ExpectedShare[];
  /** Files of others, which stay whatever happens. */
  readonly strangers?: readonly string[];
  /** True where each directory for a guest is a mount. */
  readonly isScratchMounted: boolean;
  /** How many descriptors and watched files a host without shares has. */
  readonly base?: { readonly others: number; readonly watches: number } | undefined;
}

/** What a host has for a moment: a starter's pipe and socket, a child's pipes, a connection. */
const DESCRIPTOR_SLACK = 12;
const WATCH_SLACK = 2;
/** How long what goes on in the background may take on a machine that is busy, in milliseconds. */
const SETTLE_MS = 30_000;

/** Resolves to what is still wrong when everything that goes on in the background has had time to end. */
export async function settle(look: () => string[] | Promise<string[]>): Promise<string[]> {
  const deadline = performance.now() + SETTLE_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, 100)) {
    // oxlint-disable no-await-in-loop -- a poll
    const wrong = await look();
    if (wrong.length === 0 || performance.now() > deadline) return wrong;
    await delay(pause);
    // oxlint-enable no-await-in-loop
  }
}

/** What is there without being expected, and what is not and should be; a line for each. */
export function violations(expected: Expected): string[] {
  return [
    ...wrongProcesses(expected),
    ...wrongSockets(expected),
    ...wrongDirectories(expected),
    ...wrongMounts(expected),
    ...wrongDescriptors(expected),
  ];
}

function wrongProcesses({ directory, hostPid, shares }: Expected): string[] {
  const daemons = new Set(shares.filter(({ isAlive }) => isAlive).map(({ pid }) => pid));
  const found = processesOf(directory);
  const isHosts = ({ pid, parentPid, command }: RelatedProcess): boolean =>
    pid === hostPid || (parentPid === hostPid && /^sh -c trap|^flock /.test(command));
  const isStarter = ({ parentPid, command }: RelatedProcess): boolean =>
    parentPid === hostPid && command === '/bin/sh -s';
  // A daemon may have children.
  const isDaemon = ({ pid, parentPid }: RelatedProcess): boolean =>
    daemons.has(pid) || daemons.has(parentPid);
  const missing = [...daemons].filter((pid) => found.every((each) => each.pid !== pid));
  const holders = found.filter((each) => each.pid !== hostPid && isHosts(each));
  const starters = found.filter((each) => isStarter(each) && !isDaemon(each));
  return [
    ...missing.map((pid) => `daemon ${pid} is not there`),
    ...found
      .filter((each) => !isHosts(each) && !isStarter(each) && !isDaemon(each))
      .map(({ pid, parentPid, command }) => `process ${pid} (child of ${parentPid}): ${command}`),
    ...(holders.length === 1 ? [] : [`${holders.length} holders of the lock`]),
    ...(starters.length > 1 ? [`${starters.length} starters`] : []),
  ];
}

function wrongSockets({ directory, shares, strangers = [] }: Expected): string[] {
  const folder = join(directory, 'state/s');
  const live = shares.filter(({ isAlive }) => isAlive);
  const paths = namesIn(folder).map((name) => join(folder, name));
  const hidden = paths.filter((path) => /\/\.[^/]+$/.test(path));
  const named = paths.filter((path) => !hidden.includes(path) && !strangers.includes(path));
  const listeners = listenersIn(directory);
  return [
    ...difference(
      'socket',
      live.map(({ socketPath }) => socketPath),
      named,
    ),
    ...(hidden.length > 1 ? [`sockets of starters: ${hidden.join(', ')}`] : []),
    // Each daemon's until its VMM comes, a starter's, the host's own.
    ...(listeners > live.length + 2 ? [`${listeners} listeners for ${live.length} daemons`] : []),
  ];
}

function wrongDirectories({ directory, sharedDirectory, shares, strangers = [] }: Expected): string[] {
  const top = join(directory, 'state/sandboxes');
  const own = (paths: readonly string[]): string[] => paths.filter((path) => !strangers.includes(path));
  const namespaces = own(below(top));
  const sandboxes = namespaces.flatMap((namespace) => own(below(namespace)));
  const records = sandboxes.flatMap(below).filter((path) => path.endsWith('/sandbox.json'));
  const directories = own(sandboxes.flatMap(below)).filter((path) => !records.includes(path));
  const expected = shares.map(({ sandboxId, tag }) => join(top, 'default', sandboxId, tag));
  const files = expected.flatMap(below).filter((path) => !/\/(share\.json|daemon\.log)$/.test(path));
  const shared = shares.map(({ sharedDir }) => sharedDir).filter((path) => path.startsWith(sharedDirectory));
  const trash = join(sharedDirectory, 'trash');
  return [
    ...difference('directory', expected, directories),
    ...difference('sandbox', [...new Set(expected.map(dirname))], sandboxes),
    ...difference('record', sandboxes, records.map(dirname)),
    ...(shares.length > 0 ? [] : namespaces.map((path) => `namespace ${path}`)),
    ...own(files).map((path) => `file ${path}`),
    ...difference(
      'shared directory',
      shared,
      own(below(sharedDirectory)).filter((path) => path !== trash),
    ),
    ...[join(directory, 'state/trash'), trash].flatMap(below).map((path) => `trash ${path}`),
    ...strangers.filter((path) => !below(dirname(path)).includes(path)).map((path) => `${path}: lost`),
  ];
}

function wrongMounts({ directory, sharedDirectory, shares, isScratchMounted }: Expected): string[] {
  const own = shares.map(({ sharedDir }) => sharedDir).filter((path) => path.startsWith(sharedDirectory));
  const mounts = mountsBeneath(directory).filter((path) => path.startsWith(`${sharedDirectory}/`));
  return difference('mount', isScratchMounted ? own : [], mounts);
}

function wrongDescriptors({ directory, hostPid, shares, base }: Expected): string[] {
  const { files, others, watches } = descriptorsOf(hostPid, directory);
  const live = shares.filter(({ isAlive }) => isAlive);
  const logs = live.map(({ sandboxId, tag }) =>
    join(directory, 'state/sandboxes/default', sandboxId, tag, 'daemon.log'),
  );
  const wrong = difference(
    'descriptor',
    logs,
    files.filter((path) => path.includes('/sandboxes/')),
  );
  if (!base) return wrong;
  if (others > base.others + DESCRIPTOR_SLACK) wrong.push(`${others} descriptors, at first ${base.others}`);
  if (watches > base.watches + live.length + WATCH_SLACK)
    wrong.push(`${watches} watches for ${live.length} daemons, at first ${base.watches}`);
  return wrong;
}

const below = (folder: string): string[] => namesIn(folder).map((name) => join(folder, name));

function difference(what: string, expected: readonly string[], found: readonly string[]): string[] {
  return [
    ...expected.filter((each) => !found.includes(each)).map((each) => `${what} ${each} is not there`),
    ...found.filter((each) => !expected.includes(each)).map((each) => `${what} ${each}`),
  ];
}
