import type { Summary } from './statistics.ts';

/** What a suite is run with. */
export interface SuiteOptions {
  /** Few rounds: shows that it works, and a rough number. */
  readonly isQuick: boolean;
  /** Aborted when the person wants it to end; the suite then leaves nothing behind. */
  readonly signal: AbortSignal;
}

/** One measured thing, a line of the table. */
export interface Row extends Summary {
  readonly name: string;
  readonly unit: 'ns' | 'ms' | 'KiB' | 'MiB' | 'count';
  /** The name of the row that it is compared with, measured in turn with it. */
  readonly peer?: string;
  /** Its median by the peer's. */
  readonly ratio?: number;
}

/** What a suite found. */
export interface SuiteResult {
  readonly rows: readonly Row[];
  /** What was measured and how, and what could not be: lines for the person. */
  readonly notes: readonly string[];
  /** Anything more, for the JSON. */
  readonly detail?: unknown;
}

/** Some benchmarks that belong together; a file of suites/ each. They run in a process of their own. */
export interface Suite {
  readonly name: string;
  /** One line for `--help`. */
  readonly description: string;
  readonly run: (options: SuiteOptions) => Promise<SuiteResult>;
}
