import {
  Code,
  reportLater,
  StatusError,
  type PluginContext,
  type ReportError,
} from 'containerd-shim-virtiofs/plugin';
import { levelOf, wordsOf } from './words.ts';

/** An image that is mounted. */
export interface MountedImage {
  /** Digest of what it was made of; undefined where that held secrets, and another process mounted it. */
  readonly madeOf: string | undefined;
  readonly source: string;
  readonly blobIds: readonly string[];
  /** Host and port of the registry that has its blobs. */
  readonly registry: string | undefined;
}

/** What is mounted in one share, by this process and by those before it. */
export interface Images {
  find(mountpoint: string): MountedImage | undefined;
  /**
   * Call it within the span of the mount: what goes wrong with the image later stands below it.
   *
   * @returns what takes it back
   */
  add(mountpoint: string, image: MountedImage): () => void;
  remove(mountpoint: string): void;
  /** What takes back a mount that was given up, by mountpoint: the next one there waits for it. None rejects. */
  readonly undoings: Map<string, Promise<void>>;
  /** Is told each line that nydusd prints. */
  readonly onLine: (line: string) => void;
}

const BLOB_ID = /\b[0-9a-f]{64}\b/;

/**
 * Creates the list of a share's images. nydusd mounts an image without its registry, and names the blob, not the image,
 * when that does not give it: the first time it does for an image, that is an error in the image's trace and in the log.
 */
export function createImages(log: PluginContext['log']): Images {
  const images = new Map<string, MountedImage & { readonly report: ReportError; isReported: boolean }>();
  return {
    find: (mountpoint) => images.get(mountpoint),
    add(mountpoint, image) {
      images.set(mountpoint, { ...image, report: reportLater(), isReported: false });
      return () => void images.delete(mountpoint);
    },
    remove: (mountpoint) => void images.delete(mountpoint),
    undoings: new Map(),
    onLine(line) {
      const blobId = levelOf(line) === 'error' ? BLOB_ID.exec(line)?.[0] : undefined;
      if (blobId === undefined) return;
      const having = [...images].filter(([, { blobIds }]) => blobIds.includes(blobId));
      for (const [mountpoint, image] of meantBy(line, having)) {
        if (image.isReported) continue;
        image.isReported = true;
        const { source, report } = image;
        const error = new StatusError(
          Code.Unavailable,
          `nydusd cannot fetch image "${source}" at "${mountpoint}": ${wordsOf(line)}`,
        );
        const attributes = { subsystem: 'nydusd', 'mount.mountpoint': mountpoint, 'nydusd.blob_id': blobId };
        report('nydusd.fetch', attributes, error, () => log.error({ mountpoint }, error.message));
      }
    },
  };
}

/** Several images can have the same blob: then those are meant whose registry is named, or all where all have the same. */
function meantBy<T extends Pick<MountedImage, 'registry'>>(
  line: string,
  having: readonly [string, T][],
): readonly [string, T][] {
  const named = having.filter(([, { registry }]) => registry !== undefined && names(line, registry));
  if (named.length > 0) return named;
  return new Set(having.map(([, { registry }]) => registry)).size === 1 ? having : [];
}

/** As Rust's Debug writes a URL: `host: Some(Ipv4(127.0.0.1)), port: Some(5000)` or `host: Some(Domain("registry"))`. */
function names(line: string, registry: string): boolean {
  const [, host = '', port = 'None'] = /^(.*?)(?::(\d+))?$/.exec(registry) ?? [];
  const words = [`(${host})), port: `, `("${host}")), port: `].map((before) =>
    port === 'None' ? before : `${before}Some(${port})`,
  );
  return words.some((each) => line.includes(each));
}
