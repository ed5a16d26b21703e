import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { connect, createClient, createServer, type Client } from 'ttrpc-ts';
import { loadConfig, parseConfig } from '../config/read.ts';
import type { ConfigInput } from '../config/schema.ts';
import { parseToml } from '../config/toml.ts';
import { ConfigError } from '../errors.ts';
import { readForeign } from '../foreign/read.ts';
import { openHost, type Host } from '../host/host.ts';
import { removeTree } from '../mount/remove-tree.ts';
import { Shares, type Exit } from '../proto/share/shares_pb.ts';
import { createShareService } from '../services/share-api/share-service.ts';
import { createLogger } from '../tracing/log.ts';

/** The id of the only sandbox of a command's own host. */
export const OWN_SANDBOX = 'run';

/** How a command's own host is opened. */
export interface OwnHostOptions {
  /** A configuration file; undefined for the defaults. */
  readonly config: string | undefined;
  /** Log to standard error, at the configuration's level. */
  readonly isVerbose: boolean;
}

/** A host on a temporary state directory, that this process alone can call. */
export interface OwnHost extends AsyncDisposable {
  readonly service: Client<typeof Shares>;
  /** Resolves when a daemon has ended. @throws the signal's reason */
  untilExit(signal: AbortSignal): Promise<Exit>;
}

/**
 * Opens a host for a single command, beside any other: what the configuration says of state and socket does not count.
 * Its shares end with this process, however that ends. Disposal removes all of it.
 *
 * @throws ConfigError naming the file and the key
 */
export async function openOwnHost(options: OwnHostOptions): Promise<OwnHost> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await openHostOn(temporaryState(stack), options));
  const server = stack.use(createServer().service(Shares, createShareService(host)));
  const [near, far] = duplexPair();
  server.handle(far);
  const service = createClient(Shares, stack.use(await connect({ stream: near })));
  const own = stack.move();
  return {
    service,
    async untilExit(signal) {
      for await (const { share } of service.watch({ sandboxId: OWN_SANDBOX }, { signal })) {
        if (share?.exit) return share.exit;
      }
      throw new Error('The share has ended, and nobody knows how');
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

function temporaryState(stack: AsyncDisposableStack): string {
  const state = mkdtempSync(join(tmpdir(), 'shim-virtiofs-run-'));
  stack.defer(() => removeTree(state));
  return state;
}

async function openHostOn(state: string, { config: file, isVerbose }: OwnHostOptions): Promise<Host> {
  const config = file === undefined ? { version: 1 as const } : await readOwnConfig(file);
  const { level } = parseConfig(config).log;
  const log = createLogger(isVerbose ? level : 'silent');
  try {
    return await openHost({ config, state, log });
  } catch (error) {
    throw inFile(error, file);
  }
}

async function readOwnConfig(file: string): Promise<ConfigInput> {
  // For its errors, which name the file.
  await loadConfig(file);
  const {
    state: _state,
    ttrpc: _ttrpc,
    ...config
  } = parseToml((await readForeign(file)).toString()) as ConfigInput;
  return config;
}

/** What a plugin finds in its table stands in the file, though it was read from an object. */
function inFile(error: unknown, file: string | undefined): unknown {
  if (file === undefined || !(error instanceof ConfigError) || error.file !== '(options)') return error;
  const { key } = error;
  const [, message = error.message] = error.message.split(`"(options)"${key ? `: ${key}` : ''}: `);
  return new ConfigError({ file, key, message, cause: error });
}
