/**
 * Waits for a promise, but no longer than a limit; what the promise stands for goes on. The wait keeps the process alive.
 *
 * @throws what `lateError` makes
 */
export async function within<T>(ms: number, promise: Promise<T>, lateError: () => Error): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(lateError()), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
