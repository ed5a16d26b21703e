import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { Exit, Share } from '../proto/share/shares_pb.ts';
import { printable } from '../text/printable.ts';
import { shellWords } from './shell-words.ts';

const INDENT = '  ';

/** `default/sb1/work`. */
export const nameOf = ({ namespace, sandboxId, tag }: Share): string => `${namespace}/${sandboxId}/${tag}`;

/** The state of a share's daemon, and why it ended. */
export const stateOf = ({ state, exit }: Share): string => (exit ? `${state} (${exit.cause})` : state);

/** `crashed: The daemon was killed by SIGSEGV`. */
export const describeExit = ({ cause, message }: Pick<Exit, 'cause' | 'message'>): string =>
  message === '' ? cause : `${cause}: ${message}`;

/** A time as people and programs read it. */
export const timeText = (time: Timestamp | undefined): string =>
  time === undefined ? 'unknown' : timestampDate(time).toISOString();

const daemonOf = ({ pid, adopted, restarts }: Share): string =>
  [
    `pid ${pid}`,
    ...(adopted ? ['started by an earlier host'] : []),
    ...(restarts > 0 ? [`respawned ${restarts}x`] : []),
  ].join(', ');

/** All that is known of a share, on lines. */
export function describeShare(share: Share): string {
  const { exit } = share;
  const lines: (readonly [name: string, values: readonly string[]])[] = [
    ['State', [stateOf(share)]],
    ['Daemon', [daemonOf(share)]],
    ['Ended', exit ? [`${timeText(exit.exitedAt)} ${describeExit(exit)}`] : []],
    ['Socket', [share.socketPath]],
    ['Directory', [`${share.sharedDir}${share.readOnly ? ' (read-only)' : ''}`]],
    ['Provider', [`${share.sharedFs}, ${share.queueSize} entries in its queue`]],
    ['Opened', [`${timeText(share.createdAt)} by ${share.owner}`]],
    ['Last lines', share.lastLines],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const text = lines.flatMap(([name, values]) =>
    values.map(
      (value, index) => `${INDENT}${(index === 0 ? name : '').padEnd(width)}${INDENT}${printable(value)}\n`,
    ),
  );
  return `${printable(nameOf(share))}\n${text.join('')}`;
}

/** What a VMM needs of a share that has just been opened. */
export const describeOpened = (share: Share, qemuArguments: readonly string[]): string =>
  [
    `socket  ${printable(share.socketPath)}`,
    `tag     ${printable(share.tag)}`,
    `shared  ${printable(share.sharedDir)}${share.readOnly ? ' (read-only)' : ''}`,
    `qemu    ${shellWords(qemuArguments)}\n`,
  ].join('\n');
