/** Says on standard error that `what` starts and, once `action` has succeeded, how long it took. */
export async function withProgress<T>(what: string, action: () => Promise<T>): Promise<T> {
  const start = performance.now();
  console.error(`· ${what}`);
  const result = await action();
  console.error(`  ${what.split(',')[0]}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
}
