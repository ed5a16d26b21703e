import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when the condition holds, looked at often; rejects after ten seconds, which is only to end a broken test. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Never came true: ${what}`);
    await delay(5);
  }
}
