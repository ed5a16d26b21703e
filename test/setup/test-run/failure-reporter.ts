import type { TestEvent } from 'node:test/reporters';

/** A reporter for node:test that prints, for each test that fails, its file and its name as a line of JSON. */
// oxlint-disable-next-line import/no-default-export -- node:test asks for it
export default async function* failureReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type === 'test:fail') yield `${JSON.stringify({ file: data.file, name: data.name })}\n`;
  }
}
