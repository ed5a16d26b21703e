import { createHash } from 'node:crypto';
import type { ShareRecord } from 'containerd-shim-virtiofs/plugin';
import { readImageData } from './bootstrap.ts';
import { registryOf } from './credentials.ts';
import type { Images, MountedImage } from './images.ts';
import { mayHoldSecrets } from './secrets.ts';

/** How long the bootstrap of a former host's image is waited for, in milliseconds: only errors name it by its blobs. */
const READ_MS = 1000;

/** A digest of all that makes an image. */
export const digestOf = (source: string, config: string): string =>
  createHash('sha256').update(`${source}\0${config}`).digest('hex');

/** True where what is mounted was made of these. What is not on record held secrets. */
export function isSameImage(
  { madeOf, source }: Pick<MountedImage, 'madeOf' | 'source'>,
  asked: { readonly source: string; readonly config: string },
): boolean {
  if (madeOf !== undefined) return madeOf === digestOf(asked.source, asked.config);
  return source === asked.source && mayHoldSecrets(asked.config);
}

/** Lists the images that former hosts have mounted in a share. */
export async function listRecorded(
  images: Pick<Images, 'add'>,
  { mounts }: Pick<ShareRecord, 'mounts'>,
): Promise<void> {
  const done = mounts.filter(({ isPending, problem }) => !isPending && problem === undefined);
  await Promise.all(
    done.map(async ({ mountpoint, source, recipe }) => {
      const { blobIds } = await readImageData(source, { timeoutMs: READ_MS });
      images.add(mountpoint, { source, blobIds, ...madeFrom(recipe) });
    }),
  );
}

function madeFrom(
  recipe: ShareRecord['mounts'][number]['recipe'],
): Pick<MountedImage, 'madeOf' | 'registry'> {
  if (recipe?.config === undefined) return { madeOf: undefined, registry: undefined };
  const { source, config } = recipe;
  return { madeOf: digestOf(source, config), registry: registryOf(config) };
}
