import { startGuest, type GuestOptions } from './start-guest.ts';

/** A guest that does what it is asked. Disposal kills it. */
export interface AskedGuest extends AsyncDisposable {
  /** Runs a line of shell in it, and resolves to what that printed and its exit status. */
  ask(line: string): Promise<{ readonly code: number; readonly output: string }>;
}

/** Boots a guest that has mounted the share of this tag on /mnt. */
export async function askedGuest(tag: string, options: Omit<GuestOptions, 'script'>): Promise<AskedGuest> {
  const script = `mount -t virtiofs ${tag} /mnt || exit
    echo asked:0
    while read -r line; do sh -c "$line" 2>&1; code=$?; echo; echo "asked:$code"; done`;
  const guest = await startGuest({ ...options, script });
  await guest.waitForLine(/^asked:0$/);
  let read = guest.lines.length;
  return {
    async ask(line) {
      guest.write(`${line}\n`);
      const report = await guest.waitForLine(/^asked:\d+$/);
      const lines = guest.lines.slice(read, guest.lines.indexOf(report, read));
      read += lines.length + 1;
      return { code: Number(report.slice('asked:'.length)), output: lines.join('\n').trimEnd() };
    },
    [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose](),
  };
}
