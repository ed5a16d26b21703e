/** What the event loop went through while something was done, in milliseconds. */
export interface Turns {
  readonly total: number;
  /** The most processor time that one turn took: what it takes on a machine that does nothing else. */
  readonly longest: number;
  /** The longest time without a turn, with what other processes took of it. */
  readonly longestGap: number;
}

/** Runs an action and observes the turns of this thread's event loop until it is done. */
export async function observeTurns<T>(action: () => Promise<T>): Promise<{ result: T; turns: Turns }> {
  const start = performance.now();
  let [last, lastWorked, longestGap, longest] = [start, worked(), 0, 0];
  const observe = (): void => {
    const [now, nowWorked] = [performance.now(), worked()];
    longestGap = Math.max(longestGap, now - last);
    longest = Math.max(longest, nowWorked - lastWorked);
    [last, lastWorked] = [now, nowWorked];
  };
  const timer = setInterval(observe, 1);
  try {
    const result = await action();
    observe();
    return { result, turns: { total: last - start, longest, longestGap } };
  } finally {
    clearInterval(timer);
  }
}

/** Processor time of this thread, in milliseconds. */
function worked(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
