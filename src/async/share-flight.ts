/** Runs an action once at a time for each key: whoever comes meanwhile shares it. */
export function shareFlight(
  flights: Map<string, Promise<void>>,
  key: string,
  action: () => Promise<void>,
): Promise<void> {
  const flight = flights.get(key) ?? action().finally(() => flights.delete(key));
  flights.set(key, flight);
  return flight;
}
