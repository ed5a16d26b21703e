import { Code, StatusError, type CallOptions } from 'containerd-shim-virtiofs/plugin';
import { readingsIn, refusal, requireAnswer, type DaemonInfo, type ImageReadings } from './api-answer.ts';
import { sendRequest, type RequestOptions } from './http.ts';

/** The HTTP API of one nydusd on its unix socket. It answers one request after the other: a slow mount holds up all. */
export interface NydusApi {
  /** Undefined while nobody answers on the socket. */
  find(options: CallOptions): Promise<DaemonInfo | undefined>;
  /** Serves a host directory at a mountpoint. */
  mountDirectory(mountpoint: string, source: string, options: CallOptions): Promise<void>;
  /** Serves an image at a mountpoint; one that is mounted there already is no error. Returns false for such a one. */
  mountImage(
    mountpoint: string,
    image: { readonly source: string; readonly config: string },
    options: CallOptions,
  ): Promise<boolean>;
  /** Also of what was mounted; undefined where nothing was, or nydusd does not say. */
  readings(mountpoint: string, options: CallOptions): Promise<ImageReadings | undefined>;
  /** Where nothing is mounted, that is no error. */
  unmount(mountpoint: string, options: RequestOptions): Promise<void>;
}

const DAEMON = '/api/v1/daemon';

/** Creates a client; it connects for each request. */
export function createApi(socketPath: string): NydusApi {
  const get = async (options: RequestOptions): Promise<DaemonInfo> =>
    requireAnswer(await sendRequest(socketPath, { method: 'GET', path: DAEMON }, options));
  const post = (mountpoint: string, body: object, options: CallOptions): ReturnType<typeof sendRequest> =>
    sendRequest(socketPath, { method: 'POST', path: mountPath(mountpoint), body }, options);
  return {
    async find(options) {
      try {
        return await get(options);
      } catch (error) {
        if (StatusError.is(error) && error.code === Code.Unavailable) return undefined;
        throw error;
      }
    },
    async mountDirectory(mountpoint, source, options) {
      const body = { fs_type: 'passthrough_fs', source, config: '' };
      const answer = await post(mountpoint, body, options);
      if (answer.status !== 204) throw refusal(`serve "${source}" at "${mountpoint}"`, answer);
    },
    async mountImage(mountpoint, image, options) {
      const answer = await post(mountpoint, { fs_type: 'rafs', ...image }, options);
      if (answer.status === 204) return true;
      // Its words differ between versions; its state tells.
      const { mounts } = await get(options);
      if (mounts.has(mountpoint)) return false;
      throw refusal(`mount "${image.source}" at "${mountpoint}"`, answer);
    },
    async readings(mountpoint, options) {
      const path = `/api/v1/metrics?id=${encodeURIComponent(mountpoint)}`;
      return readingsIn(await sendRequest(socketPath, { method: 'GET', path }, options));
    },
    async unmount(mountpoint, options) {
      const answer = await sendRequest(
        socketPath,
        { method: 'DELETE', path: mountPath(mountpoint) },
        options,
      );
      if (answer.status === 204) return;
      const { mounts } = await get(options);
      if (mounts.has(mountpoint)) throw refusal(`unmount "${mountpoint}"`, answer);
    },
  };
}

/** nydusd takes a "+" for a blank where it is not encoded. */
const mountPath = (mountpoint: string): string =>
  `/api/v1/mount?mountpoint=${encodeURIComponent(mountpoint)}`;
