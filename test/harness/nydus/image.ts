import { execa } from 'execa';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { obtain } from '../../setup/obtain.ts';

/** A RAFS image on disk. */
export interface RafsImage {
  /** Its metadata. */
  readonly bootstrap: string;
  /** The directory with its one blob. */
  readonly blobs: string;
  /** The SHA-256 by which the blob is called. */
  readonly blobId: string;
}

/** Builds an image of these files below `directory`. */
export async function buildImage(
  directory: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<RafsImage> {
  const { nydusImage } = await obtain('nydus');
  const source = join(directory, 'files');
  const blobs = join(directory, 'blobs');
  const bootstrap = join(directory, 'bootstrap');
  for (const path of [source, blobs]) await mkdir(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(source, name), content);
  const places = ['-B', bootstrap, '-D', blobs, '-J', join(directory, 'report.json')];
  await execa(nydusImage, ['create', '-t', 'dir-rafs', '--fs-version', '6', ...places, source]);
  const [blobId = ''] = await readdir(blobs);
  return { bootstrap, blobs, blobId };
}

/** nydusd's configuration for an image whose blobs stand in a directory; what it has read stands in `cache`. */
export const localConfig = ({ blobs }: RafsImage, cache: string): string =>
  rafsConfig({ type: 'localfs', config: { dir: blobs } }, cache);

/** nydusd's configuration for a backend. */
export const rafsConfig = (backend: object, cache: string): string =>
  JSON.stringify({
    device: { backend, cache: { type: 'blobcache', config: { work_dir: cache } } },
    mode: 'direct',
    digest_validate: false,
    iostats_files: false,
    enable_xattr: true,
  });
