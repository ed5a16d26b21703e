/** A file, folder or symbolic link of an archive. */
export interface CpioEntry {
  /** Path without a leading slash; its folder must come before it. */
  readonly path: string;
  /** Type and permission bits, as in stat(2). */
  readonly mode: number;
  /** Content of a file, target of a link. @default empty */
  readonly content?: Uint8Array | string;
}

/** Type bits of {@link CpioEntry.mode}. */
export const entryType = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const;

/**
 * Writes a cpio archive in the "newc" form, owned by root, that Linux unpacks as initial root file system
 * (kernel: Documentation/driver-api/early-userspace/buffer-format.rst). Archives may be concatenated.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const members = entries.map((entry, index) => member(entry, index + 1));
  return Buffer.concat([...members, member({ path: 'TRAILER!!!', mode: 0 }, 0)]);
}

function member({ path, mode, content = '' }: CpioEntry, inode: number): Buffer {
  const body = Buffer.from(content);
  const name = Buffer.from(`${path}\0`);
  const uid = 0;
  const gid = 0;
  const links = 1;
  const modified = 0;
  const device = [0, 0, 0, 0];
  const check = 0;
  const fields = [inode, mode, uid, gid, links, modified, body.length, ...device, name.length, check];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(body)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
