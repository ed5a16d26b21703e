import { constants } from 'node:os';

/** Runs a demo to its end, and sets the exit status; its signal aborts at Ctrl-C, and when who reads its output leaves. */
export async function runInterruptible(demo: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  let interruptedBy: number | undefined;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      interruptedBy ??= constants.signals[name];
      controller.abort(new Error(`Interrupted by ${name}`));
    });
  }
  // Whoever reads our output may leave, as head(1) does.
  process.stdout.on('error', (error) => controller.abort(error));
  try {
    await demo(controller.signal);
  } catch (error) {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = interruptedBy === undefined ? 1 : 128 + interruptedBy;
  }
}
