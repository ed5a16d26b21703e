/** What a part is given while it is obtained. */
export interface SetupContext {
  /** Ends whatever was started for the part. */
  readonly signal: AbortSignal;
  /** The file that takes the output of the tools it runs. */
  readonly log: string;
}

/** Something that tests or the demo need and a fresh machine lacks. */
export interface Part<T> {
  /** One line for `setup --help`. */
  readonly description: string;
  /**
   * Resolves to where the part is, after getting or building it where this machine has none.
   * Rejects with an UnavailableError where the machine cannot have it, and with a SetupError where it could.
   */
  readonly obtain: (context: SetupContext) => Promise<T>;
}
