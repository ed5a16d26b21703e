import { startGuest, type GuestExit, type GuestOptions } from './start-guest.ts';

/** Runs a script in a guest of its own to its end and resolves to its exit status and everything it printed. */
export async function runGuest(options: GuestOptions): Promise<GuestExit & { readonly output: string }> {
  await using guest = await startGuest(options);
  const { code, lines } = await guest.exit;
  return { code, lines, output: lines.join('\n') };
}
