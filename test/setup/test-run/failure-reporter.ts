import type { TestEvent } from 'node:test/reporters';

/** What follows the last failure: a run that has no end was killed, and nobody knows what else would have failed. */
export const END = '"end"\n';

/** A reporter for node:test that prints, for each test that fails, its file and its name as a line of JSON, and then {@link END}. */
// oxlint-disable-next-line import/no-default-export -- node:test asks for it
export default async function* failureReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type === 'test:fail') yield `${JSON.stringify({ file: data.file, name: data.name })}\n`;
  }
  yield END;
}
