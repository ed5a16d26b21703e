import assert from 'node:assert/strict';
import type * as Api from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { cp, glob, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startTracing } from '../../src/tracing/export.ts';
import { withSpan } from '../../src/tracing/span.ts';
import { captureLog } from '../harness/captured-log.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const ours = fileURLToPath(new URL('..', import.meta.resolve('@opentelemetry/api')));
const settings = { serviceName: 'test', sampleRatio: 1, timeoutMs: 1000 };
const remedy = 'Let both use one copy: "npm ls @opentelemetry/api" shows them, "npm dedupe" joins them';

/** A program's tracing through a copy of the API with another version. */
interface Program extends AsyncDisposable {
  readonly api: typeof Api;
  readonly names: () => string[];
}

async function programWithApi(version: string): Promise<Program> {
  forgetCopies();
  await using stack = new AsyncDisposableStack();
  stack.defer(forgetCopies);
  const directory = stack.use(await temporaryDirectory());
  const copy = join(directory.path, 'api');
  await cp(ours, copy, { recursive: true, filter: (path) => !/\.(map|cjs|[cm]ts)$/.test(path) });
  const { version: own } = JSON.parse(await readFile(join(ours, 'package.json'), 'utf8')) as {
    version: string;
  };
  for await (const file of glob(`${copy}/dist/**/*.mjs`))
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll(own, version));
  const api = (await import(pathToFileURL(join(copy, 'dist/index.mjs')).href)) as typeof Api;
  const exporter = new InMemorySpanExporter();
  const processor = new SimpleSpanProcessor({ exporter });
  api.trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [processor] }));
  const owned = stack.move();
  return {
    api,
    names: () => exporter.getFinishedSpans().map(({ name }) => name),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What registered first keeps others out, even when it has taken back what it registered. */
function forgetCopies(): void {
  for (const major of [1, 2]) Reflect.deleteProperty(globalThis, Symbol.for(`opentelemetry.js.api.${major}`));
}

describe('startTracing()', () => {
  for (const [version, outcome] of [
    ['1.9.0', 'are lost'],
    ['2.0.0', "do not go to the program's exporter"],
  ] as const) {
    const text = `This program uses another copy of @opentelemetry/api (${version}): spans of this host`;

    test(`says what becomes of its spans in a program with the API ${version}, and leaves the program's alone`, async () => {
      await using program = await programWithApi(version);
      const { log, lines } = captureLog();
      const exporter = new InMemorySpanExporter();
      const spanProcessors = [new SimpleSpanProcessor({ exporter })];
      const tracing = await startTracing(settings, { log, spanProcessors });
      assert.deepEqual(
        lines.map(({ level, msg }) => [level, msg]),
        [['warn', `${text} ${outcome}. ${remedy}`]],
      );
      await withSpan('ours', {}, () => Promise.resolve());
      assert.equal(exporter.getFinishedSpans().length, outcome === 'are lost' ? 0 : 1);
      await tracing[Symbol.asyncDispose]();
      program.api.trace.getTracer('program').startSpan("the program's").end();
      assert.deepEqual(program.names(), ["the program's"]);
    });

    test(`says so where only the program with the API ${version} wants traces`, async () => {
      await using program = await programWithApi(version);
      const { log, lines } = captureLog();
      await using _ = await startTracing(settings, { log, spanProcessors: [] });
      assert.deepEqual(
        lines.map(({ msg }) => msg),
        [`${text} do not go to the program's exporter. ${remedy}`],
      );
      assert.deepEqual(program.names(), []);
    });
  }

  test('says nothing of a newer copy of the same major version, whose exporter gets its spans', async () => {
    await using program = await programWithApi('1.999.0');
    const { log, lines } = captureLog();
    await using _ = await startTracing(settings, { log, spanProcessors: [] });
    await withSpan('ours', {}, () => Promise.resolve());
    assert.deepEqual(lines, []);
    assert.deepEqual(program.names(), ['ours']);
  });
});
