import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { RafsImage } from './image.ts';

/** Where an image is to stand. */
export interface ImageName {
  /** Host and port of the registry. */
  readonly host: string;
  readonly repository: string;
  /** `user:password`. @default nobody */
  readonly user?: string;
}

/** What of a manifest stands for a blob. */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Puts an image into a registry as `latest`: its data, its bootstrap, a configuration and the manifest that names them. */
export async function pushImage(image: RafsImage, name: ImageName): Promise<void> {
  const layers = [
    await pushBlob(await readFile(join(image.blobs, image.blobId)), {
      ...name,
      mediaType: 'application/vnd.oci.image.layer.nydus.blob.v1',
    }),
    await pushBlob(await readFile(image.bootstrap), {
      ...name,
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
    }),
  ];
  const config = await pushBlob(Buffer.from('{"architecture":"amd64","os":"linux"}'), {
    ...name,
    mediaType: 'application/vnd.oci.image.config.v1+json',
  });
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers });
  await send(`http://${name.host}/v2/${name.repository}/manifests/latest`, {
    method: 'PUT',
    headers: { ...authorization(name), 'Content-Type': MANIFEST },
    body: manifest,
  });
}

/** Two requests, as the OCI distribution specification has them. */
async function pushBlob(
  content: Buffer<ArrayBuffer>,
  { mediaType, ...name }: ImageName & { readonly mediaType: string },
): Promise<Descriptor> {
  const headers = authorization(name);
  const uploads = `http://${name.host}/v2/${name.repository}/blobs/uploads/`;
  const begun = await send(uploads, { method: 'POST', headers });
  const location = new URL(begun.headers.get('Location') ?? '', uploads);
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  location.searchParams.set('digest', digest);
  await send(location, {
    method: 'PUT',
    headers: { ...headers, 'Content-Type': 'application/octet-stream' },
    body: content,
  });
  return { mediaType, digest, size: content.length };
}

async function send(url: string | URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method} ${String(url)}: ${response.status} ${text}`);
  return response;
}

const authorization = ({ user }: ImageName): Record<string, string> =>
  user === undefined ? {} : { Authorization: `Basic ${Buffer.from(user).toString('base64')}` };

/** Fetches a blob as a whole, as a pull does. */
export async function pullBlob(
  blobId: string,
  { host, repository }: ImageName,
  { to, signal }: { to: string; signal?: AbortSignal },
): Promise<void> {
  const response = await fetch(
    `http://${host}/v2/${repository}/blobs/sha256:${blobId}`,
    signal ? { signal } : {},
  );
  if (!response.ok || !response.body) throw new Error(`Cannot fetch ${blobId}: ${response.status}`);
  await pipeline(response.body, createWriteStream(to));
}
