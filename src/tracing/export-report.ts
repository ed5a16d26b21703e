import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { excerptOf } from './excerpt.ts';
import type { Answer } from './follow-requests.ts';

const SOURCE = 'opentelemetry';

const LATE = 'the collector does not answer in time (trace.timeout_ms)';

/** The exporter's own word for that, whose limit is as long as ours. */
const TIMED_OUT = 'Request timed out';

/** An export that failed: the exporter's reason, or what ended it, and what had come of its last request by then. */
export interface Failure {
  readonly problem: Error;
  readonly outcome: Answer | Error | undefined;
}

/** Creates what logs the outcome of exports: a failure when its reason changes, and the first success after it. */
export function createReport(log: Logger, collector: string): (spans: number, failure?: Failure) => void {
  let last: string | undefined;
  let lost = 0;
  return (spans, failure) => {
    const reason = failure && reasonOf(failure);
    if (reason !== undefined) lost += spans;
    if (reason === last) return;
    last = reason;
    if (reason !== undefined) return log.warn({ source: SOURCE, collector }, `Traces are lost: ${reason}`);
    log.info({ source: SOURCE, collector, lost }, 'The collector takes traces again');
    lost = 0;
  };
}

function reasonOf({ problem, outcome }: Failure): string {
  if (outcome && !(outcome instanceof Error) && outcome.status >= 300) return textOf(outcome);
  if (problem.message === TIMED_OUT) return LATE;
  if (outcome instanceof Error) return excerptOf(messageOf(outcome));
  return problem.name === 'TimeoutError' ? LATE : excerptOf(messageOf(problem));
}

function textOf({ status, statusText, body }: Answer): string {
  const said = body.length > 0 ? `: ${JSON.stringify(excerptOf(body))}` : '';
  return excerptOf(`the collector answered ${status} ${statusText}`) + said;
}
