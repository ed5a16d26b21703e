import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

/** The name under which containerd is to look for it. */
export const PAUSE_IMAGE = 'localhost/pause:1';

/**
 * Writes an image with nothing in it, as an archive for `ctr images import`: containerd 2.3 wants one for each pod,
 * whoever runs it, and a network is no part of these tests.
 */
export async function writePauseImage(dir: string): Promise<string> {
  const folder = join(dir, 'pause-image');
  const blobs = join(folder, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const blob = async (mediaType: string, content: unknown): Promise<Descriptor> => {
    const text = JSON.stringify(content);
    const hash = createHash('sha256').update(text).digest('hex');
    await writeFile(join(blobs, hash), text);
    return { mediaType, digest: `sha256:${hash}`, size: text.length };
  };
  const architecture = ({ x64: 'amd64' } as Record<string, string>)[process.arch] ?? process.arch;
  const config = { architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } };
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: await blob('application/vnd.oci.image.config.v1+json', config),
    layers: [],
  };
  const annotations = { 'io.containerd.image.name': PAUSE_IMAGE };
  const index = { schemaVersion: 2, manifests: [{ ...(await blob(MANIFEST, manifest)), annotations }] };
  await writeFile(join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const archive = join(dir, 'pause-image.tar');
  await execa('tar', ['-C', folder, '-cf', archive, '.']);
  return archive;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
