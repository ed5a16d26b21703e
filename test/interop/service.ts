import { stat, mkdir } from 'node:fs/promises';
import {
  type Code,
  createServer,
  type Server,
  type ServerOptions,
  type ServiceImpl,
  StatusError,
} from 'ttrpc-ts';
import { type Failure, Failure_Kind as Kind, InteropService } from './proto/interop_pb.ts';

/** The service as the Go program serves it. */
export function createInteropServer(options?: ServerOptions): Server {
  return createServer(options).service(InteropService, implementation);
}

const implementation: ServiceImpl<typeof InteropService> = {
  echo: ({ data }) => ({ data }),
  fetch: ({ size }) => ({ data: new Uint8Array(size) }),
  describe(_, { requestMetadata, timeoutNano }) {
    return { metadata: [...requestMetadata].map((pair) => pair.join('=')).toSorted(), timeoutNano };
  },
  fail,
  wait: (_, { signal }) =>
    new Promise((_resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    }),
  async *repeat({ count, size }) {
    for (let index = 0; index < count; index++) yield { data: new Uint8Array(size) };
  },
  async count(requests) {
    let messages = 0n;
    let bytes = 0n;
    for await (const { data } of requests) {
      messages++;
      bytes += BigInt(data.length);
    }
    return { messages, bytes };
  },
  async *chat(requests) {
    for await (const { data } of requests) yield { data };
  },
};

async function fail({ kind, code, message }: Failure): Promise<{ data?: Uint8Array }> {
  switch (kind) {
    case Kind.STATUS:
      throw new StatusError(code as Code, message);
    case Kind.NOT_EXIST:
      await stat('/no/such/file');
      break;
    case Kind.EXIST:
      await mkdir('/');
      break;
    case Kind.PERMISSION:
      throw Object.assign(new Error('permission denied'), { code: 'EACCES' });
    case Kind.CANCELED:
      throw Object.assign(new Error('context canceled'), { name: 'AbortError' });
    case Kind.DEADLINE:
      throw Object.assign(new Error('context deadline exceeded'), { name: 'TimeoutError' });
    case Kind.WRAPPED_STATUS:
      throw new Error(`wrapped: ${message}`, { cause: new StatusError(code as Code, message) });
    case Kind.NIL_REPLY:
      return undefined as unknown as { data: Uint8Array };
    case Kind.OVERSIZE_REPLY:
      return { data: new Uint8Array(4 << 20) };
    case Kind.PLAIN:
    default:
      throw new Error(message);
  }
  return {};
}
