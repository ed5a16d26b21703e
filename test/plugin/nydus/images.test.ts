import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SpanStatusCode } from '@opentelemetry/api';
import { createImages, type Images, type MountedImage } from '../../../plugin/nydus/images.ts';
import { withAttributes, withSpan } from '../../../src/tracing/span.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { memorySpans } from '../../harness/memory-spans.ts';

const [ONE, TWO] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string];

const urlOf = (host: string, blobId: string): string =>
  `url: Url { scheme: "http", host: ${host}, path: "/v2/app/blobs/sha256:${blobId}", query: None }`;

const failureOf = (blobId: string, host = 'Some(Ipv4(127.0.0.1)), port: Some(5000)'): string =>
  `\t"failed to read metadata for blob ${blobId} from backend, Request(${urlOf(host, blobId)}, \\"refused\\")"`;

const image = (change: Partial<MountedImage> = {}): MountedImage => ({
  madeOf: 'x',
  source: '/boot',
  blobIds: [ONE],
  registry: '127.0.0.1:5000',
  ...change,
});

/** Adds images in a span of their own each, called as their mountpoints. */
async function addAll(images: Images, all: Readonly<Record<string, MountedImage>>): Promise<void> {
  for (const [mountpoint, one] of Object.entries(all))
    await withAttributes({ 'sandbox.id': 'a' }, () =>
      withSpan(mountpoint, {}, async () => void images.add(mountpoint, one)),
    );
}

describe('Images', () => {
  test('reports once what nydusd cannot fetch of an image, in the trace of its mount and in the log', async () => {
    await using spans = await memorySpans();
    const captured = captureLog();
    const images = createImages(captured.log);
    await addAll(images, { '/one': image(), '/two': image({ blobIds: [TWO] }) });
    images.onLine('[2026-11-26 00:00:00.000000 +00:00] INFO RAFS filesystem imported');
    images.onLine('\t"failed to get chunk information"');
    images.onLine(failureOf('3'.repeat(64)));
    assert.deepEqual(captured.lines, []);
    for (const _ of [1, 2]) images.onLine(failureOf(ONE));
    const [mount, fetch] = [spans.one('/one'), spans.one('nydusd.fetch')];
    assert.equal(fetch.parentSpanContext?.spanId, mount.spanContext().spanId);
    const { 'sandbox.id': sandbox, 'mount.mountpoint': mountpoint, subsystem } = fetch.attributes;
    assert.deepEqual([sandbox, mountpoint, subsystem], ['a', '/one', 'nydusd']);
    assert.deepEqual(
      [fetch.attributes['nydusd.blob_id'], fetch.attributes['error.type']],
      [ONE, 'Unavailable'],
    );
    assert.equal(fetch.status.code, SpanStatusCode.ERROR);
    assert.match(
      fetch.status.message ?? '',
      /^nydusd cannot fetch image "\/boot" at "\/one": failed to read metadata for blob 1+ from .*, "refused"\)$/,
    );
    assert.deepEqual(
      captured
        .withMessage(fetch.status.message ?? '')
        .map(({ level, mountpoint: at, trace_id: trace, span_id: span }) => [level, at, trace, span]),
      [['error', '/one', mount.spanContext().traceId, fetch.spanContext().spanId]],
    );
  });

  test('means those images of a blob whose registry is named, all where all have the same, and else none', async () => {
    const at = (host: string): MountedImage => image({ registry: host });
    const cases: [what: string, images: Record<string, MountedImage>, line: string, meant: string[]][] = [
      ['port', { '/a': at('127.0.0.1:5000'), '/b': at('127.0.0.1:500') }, failureOf(ONE), ['/a']],
      [
        'name',
        { '/a': at('hub'), '/b': at('127.0.0.1:5000') },
        failureOf(ONE, 'Some(Domain("hub")), port: None'),
        ['/a'],
      ],
      ['same', { '/a': at('hub'), '/b': at('hub') }, `\t"failed for blob ${ONE}"`, ['/a', '/b']],
      ['unclear', { '/a': at('hub'), '/b': at('127.0.0.1:5000') }, `\t"failed for blob ${ONE}"`, []],
      ['no registry', { '/a': image({ registry: undefined }) }, failureOf(ONE), ['/a']],
    ];
    for (const [what, all, line, meant] of cases) {
      const captured = captureLog();
      const images = createImages(captured.log);
      await addAll(images, all);
      images.onLine(line);
      assert.deepEqual(
        captured.lines.map(({ mountpoint }) => mountpoint),
        meant,
        what,
      );
    }
  });

  test('reports nothing of what is unmounted', async () => {
    const captured = captureLog();
    const images = createImages(captured.log);
    const takeBack = images.add('/one', image());
    images.add('/two', image());
    takeBack();
    images.remove('/two');
    images.onLine(failureOf(ONE));
    assert.deepEqual([captured.lines, images.find('/one')], [[], undefined]);
  });
});
