/** For how long the event loop did not turn at most, in milliseconds. */
export interface Gap {
  readonly gap: number;
  /** The processor time of it: what it is on a machine that does nothing else. */
  readonly work: number;
}

/** Runs an action and measures the gaps meanwhile. */
export async function gapOf<T>(action: () => Promise<T>): Promise<{ result: T } & Gap> {
  let [last, lastWorked, gap, work] = [performance.now(), worked(), 0, 0];
  const observe = (): void => {
    const [now, nowWorked] = [performance.now(), worked()];
    gap = Math.max(gap, now - last);
    work = Math.max(work, nowWorked - lastWorked);
    [last, lastWorked] = [now, nowWorked];
  };
  const timer = setInterval(observe, 1);
  try {
    const result = await action();
    observe();
    return { result, gap, work };
  } finally {
    clearInterval(timer);
  }
}

function worked(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
