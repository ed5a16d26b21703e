import { setImmediate } from 'node:timers';

const waiting: (() => void)[] = [];
let isTaken = false;

/**
 * Resolves for one caller in each turn of the event loop, and at once where nobody else asks: what many do at the same
 * time must not keep the loop from everything else.
 */
export function oneATurn(): Promise<void> {
  if (isTaken) return new Promise((resolve) => void waiting.push(resolve));
  isTaken = true;
  setImmediate(passOn);
  return Promise.resolve();
}

function passOn(): void {
  const next = waiting.shift();
  if (next === undefined) {
    isTaken = false;
    return;
  }
  setImmediate(passOn);
  next();
}
