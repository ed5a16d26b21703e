/** A guest that did not run its script to the end; the message has the last lines of its console. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
  /** Everything that stood on the console. */
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[], options?: ErrorOptions) {
    super([message, ...lines.slice(-15)].join('\n  | '), options);
    this.lines = lines;
  }
}
