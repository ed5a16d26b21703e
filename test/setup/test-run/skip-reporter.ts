import type { TestEvent } from 'node:test/reporters';

/** A reporter for node:test that prints a line of JSON for each skipped test: its name and the reason. */
// oxlint-disable-next-line import/no-default-export -- node:test asks for it
export default async function* skipReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' || data.skip === undefined || data.skip === false) continue;
    yield `${JSON.stringify({ name: data.name, reason: data.skip === true ? 'no reason given' : data.skip })}\n`;
  }
}
