import { readForeignPart, type TouchOptions } from 'containerd-shim-virtiofs/plugin';

/** What an image's metadata says of its data. */
export interface ImageData {
  /** How many bytes its blobs have where they are stored, where that is known. */
  readonly bytes: number | undefined;
  /** The SHA-256 digests by which they are called. */
  readonly blobIds: readonly string[];
}

/** Of an image of which nobody can tell. */
export const UNKNOWN_DATA: ImageData = { bytes: undefined, blobIds: [] };

/** Where a RAFS v6 file begins: EROFS' superblock with the one of RAFS behind it (nydus-rafs, `metadata/layout/v6.rs`). */
const HEADER = { offset: 1024, length: 256 } as const;
const EROFS_MAGIC = 0xe0f5e1e2;
/** Of the table of blobs, in RAFS' superblock. */
const TABLE_OFFSET = 128 + 8;
const TABLE_LENGTH = TABLE_OFFSET + 8;
/** A longer one is not read, in bytes: the format has no more blobs. */
const MAX_TABLE = 256 * 256;
/** Of an entry: its id, and how many bytes it has compressed. */
const ENTRY_LENGTH = 256;
const ID_LENGTH = 64;
const COMPRESSED_SIZE = 64 + 6 * 4;

/** Reads what a bootstrap says of its blobs; nothing is known where it is not of version 6, which nydus-image makes, or is unreadable. */
export async function readImageData(bootstrap: string, options: TouchOptions): Promise<ImageData> {
  try {
    const header = await readForeignPart(bootstrap, HEADER, options);
    if (header.readUInt32LE(0) !== EROFS_MAGIC) return UNKNOWN_DATA;
    const [offset, length] = [
      Number(header.readBigUInt64LE(TABLE_OFFSET)),
      header.readUInt32LE(TABLE_LENGTH),
    ];
    if (length > MAX_TABLE) return UNKNOWN_DATA;
    const table = await readForeignPart(bootstrap, { offset, length }, options);
    if (table.length < length) return UNKNOWN_DATA;
    const count = Math.floor(length / ENTRY_LENGTH);
    const entries = Array.from({ length: count }, (_, index) => table.subarray(index * ENTRY_LENGTH));
    return {
      bytes: entries.reduce((sum, entry) => sum + Number(entry.readBigUInt64LE(COMPRESSED_SIZE)), 0),
      blobIds: entries.map((entry) => entry.toString('latin1', 0, ID_LENGTH).replace(/\0+$/, '')),
    };
  } catch {
    return UNKNOWN_DATA; // nydusd says what is wrong with it
  }
}
