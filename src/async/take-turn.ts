import { setImmediate } from 'node:timers';

/** How long those who pass in one turn of the event loop may keep it together, in milliseconds. */
const TURN_MS = 4;

const waiting: (() => void)[] = [];
let isTurnTaken = false;
let isServing = false;
let endsAt = 0;

/**
 * Resolves when it is the caller's turn, and at once where nobody else asks. Callers pass one after the other, each when
 * the former's next step is done, and no more of them in one turn of the event loop than some milliseconds hold: what
 * many do at the same time must not keep the loop from everything else.
 */
export function takeTurn(): Promise<void> {
  if (!isTurnTaken) beginTurn();
  else if (isServing || waiting.length > 0 || isOver()) return wait();
  isServing = true;
  afterStep(serve);
  return Promise.resolve();
}

function wait(): Promise<void> {
  return new Promise((resolve) => void waiting.push(resolve));
}

function beginTurn(): void {
  isTurnTaken = true;
  endsAt = performance.now() + TURN_MS;
  setImmediate(endTurn);
}

function endTurn(): void {
  isTurnTaken = false;
  if (waiting.length === 0) return;
  beginTurn();
  serve();
}

function serve(): void {
  const next = isOver() ? undefined : waiting.shift();
  isServing = next !== undefined;
  if (!next) return;
  next();
  afterStep(serve);
}

const isOver = (): boolean => performance.now() >= endsAt;

/** Calls back when all promises have been followed up that are settled by now, and those that follow. */
function afterStep(action: () => void): void {
  queueMicrotask(() => process.nextTick(action));
}
