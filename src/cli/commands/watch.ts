import { WatchResponseSchema, type WatchResponse } from '../../proto/share/shares_pb.ts';
import { printable } from '../../text/printable.ts';
import { callHost } from '../call-host.ts';
import { describeExit, nameOf, timeText } from '../describe-share.ts';
import { ExitCode } from '../exit-code.ts';
import { jsonOf, jsonText } from '../json.ts';
import { print } from '../output.ts';
import { CommandError, defineCommand } from './command.ts';
import { HOST_OPTIONS, JSON_OPTION, NAMESPACE_FILTER } from './host-options.ts';

/** Prints what happens to shares. */
export const watch = defineCommand({
  description: `Prints a line for each share that is there ("current"), then one for each event ("opened", "changed",
"closed") as it happens, until Ctrl-C, or until the host ends.
With --json each line is {"event": ..., "time": ..., "share": {...}}; one of event "synced" stands between the two.`,
  positionals: {
    sandbox: { value: 'SANDBOX', purpose: 'Only this sandbox (default: all)', isOptional: true },
  },
  options: { ...HOST_OPTIONS, ...NAMESPACE_FILTER, ...JSON_OPTION },
  exitStatus:
    '0 nobody reads its output any more, 1 failed, 2 wrong usage or configuration, 3 no host runs, or it has ended',
  run: ({ sandbox = '', namespace = '', json, ...host }) =>
    callHost(host, async (service) => {
      await printAllOf(service.watch({ namespace, sandboxId: sandbox }), json === true);
      throw new CommandError(ExitCode.NoHost, 'The shim host has ended');
    }),
});

async function printAllOf(events: AsyncIterable<WatchResponse>, json: boolean): Promise<void> {
  for await (const event of events) {
    const text = json ? jsonText(jsonOf(WatchResponseSchema, event), 'line') : lineOf(event);
    await print(text);
  }
}

/** `2026-01-02T03:04:05.678Z opened default/sb1/work waiting pid 123`. */
function lineOf({ event, time, share }: WatchResponse): string {
  if (!share) return '';
  const exit = share.exit ? [describeExit(share.exit)] : [];
  const words = [timeText(time), event, nameOf(share), share.state, `pid ${share.pid}`, ...exit];
  return `${printable(words.join(' '))}\n`;
}
