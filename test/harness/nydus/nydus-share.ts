import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createApi, type NydusApi } from '../../../plugin/nydus/api-client.ts';
import { configSchema } from '../../../plugin/nydus/config.ts';
import { createProvider } from '../../../plugin/nydus/provider.ts';
import type { MountRequest, Provider, Share, ShareRequest } from '../../../src/share/contract.ts';
import { obtain } from '../../setup/obtain.ts';
import { pluginContext, shareRequest, type TestContext } from '../plugin-context.ts';
import { buildImage, localConfig, type RafsImage } from './image.ts';

/** A provider of the nydus plugin, on the real nydusd, with an image to mount. */
export interface NydusPlace extends TestContext {
  readonly provider: Provider;
  readonly image: RafsImage;
  /** An image's mount, on `/rafs/<container>/lowerdir`. */
  mountOf(container: string): MountRequest & { readonly config: string };
  /** Opens a share; its own disposal is the test's. */
  open(request?: Partial<ShareRequest>): Promise<NydusShare>;
}

/** A share of nydusd with what a host would call on it. */
export interface NydusShare extends AsyncDisposable {
  readonly share: Share;
  readonly api: NydusApi;
  mount(request: MountRequest, options?: { signal?: AbortSignal }): Promise<unknown>;
  unmount(mountpoint: string): Promise<unknown>;
}

/** Makes one. Disposal removes its directory. */
export async function nydusPlace(table: Record<string, unknown> = {}): Promise<NydusPlace> {
  const { nydusd } = await obtain('nydus');
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await pluginContext());
  const { path } = own.directory;
  const cache = join(path, 'cache');
  await mkdir(cache);
  const image = await buildImage(join(path, 'image'), { f: 'of the image\n' });
  const config = configSchema.parse({
    virtio_fs_daemon: nydusd,
    virtio_fs_start_timeout_ms: 600_000,
    nydus_mount_timeout_ms: 600_000,
    ...table,
  });
  const provider = await createProvider({ ...own.context, config });
  const moved = stack.move();
  return {
    ...own,
    provider,
    image,
    mountOf: (container) => ({
      source: image.bootstrap,
      mountpoint: `/rafs/${container}/lowerdir`,
      config: localConfig(image, cache),
    }),
    async open(request = {}) {
      const share = await provider.openShare(shareRequest({ sharedFs: 'virtio-fs-nydus', ...request }), {});
      return {
        share,
        api: createApi(share.apiSocketPath ?? ''),
        mount: async (mount, options = {}) =>
          provider.mount?.(share, mount, { formerMountpoints: new Set(), ...options }),
        unmount: async (mountpoint) => provider.unmount?.(share, mountpoint, {}),
        [Symbol.asyncDispose]: async () => share[Symbol.asyncDispose](),
      };
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}
