import { setTimeout as delay } from 'node:timers/promises';

/** Ends a broken test, and no test on a machine that is busy. */
const LIMIT_MS = 120_000;

/** Resolves when the condition holds, looked at often; rejects at once where it throws, and after two minutes. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Never came true: ${what}`);
    await delay(5);
  }
}
