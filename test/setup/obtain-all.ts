import { obtain, type PartName } from './obtain.ts';
import { UnavailableError } from './setup-error.ts';

/** Obtains several parts, at most two at a time; says which of them this machine cannot have. The first failure ends the rest. */
export async function obtainAll(names: Iterable<PartName>, interrupt: AbortSignal): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([interrupt, failure.signal]);
  const queue = [...names];
  const work = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) await obtainOrSay(name, signal);
  };
  const results = await Promise.allSettled(
    [work(), work()].map((worker) =>
      worker.catch((error: unknown) => {
        failure.abort(error);
        throw error;
      }),
    ),
  );
  interrupt.throwIfAborted();
  if (results.some(({ status }) => status === 'rejected')) throw failure.signal.reason;
}

async function obtainOrSay(name: PartName, signal: AbortSignal): Promise<void> {
  try {
    signal.throwIfAborted();
    await obtain(name, { signal });
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    console.error(`· ${error.message}`);
  }
}
