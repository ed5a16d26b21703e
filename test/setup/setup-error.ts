/** Says what set-up lacks and how to get it; shown to the person without a stack. */
export class SetupError extends Error {
  override readonly name: string = 'SetupError';
}

/** A part that this machine cannot have at all; the message is the reason with which a test skips. */
export class UnavailableError extends SetupError {
  override readonly name = 'UnavailableError';
}
