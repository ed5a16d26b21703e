import { Code, StatusError } from 'containerd-shim-virtiofs/plugin';
import * as z from 'zod/mini';
import type { Answer } from './http.ts';
import { withoutSecrets } from './mask.ts';

/** What a nydusd says of itself. */
export interface DaemonInfo {
  /** INIT, READY, RUNNING, STOPPED or UNKNOWN. */
  readonly state: string;
  /** Where something is mounted. */
  readonly mounts: ReadonlySet<string>;
}

const daemonSchema = z.pipe(
  z.object({
    state: z.string(),
    backend_collection: z._default(z.record(z.string(), z.unknown()), {}),
  }),
  z.transform(({ state, backend_collection: mounts }) => ({ state, mounts: new Set(Object.keys(mounts)) })),
);

/** What a guest has done with an image. */
export interface ImageReadings {
  /** Whether it has asked for anything in it at all. */
  readonly isTouched: boolean;
  readonly bytesRead: number;
  readonly failedReads: number;
}

/** Where reads stand among nydusd's kinds of requests (its `StatsFop`). */
const READ = 4;
const readingsSchema = z.pipe(
  z.object({ data_read: z.number(), fop_hits: z.array(z.number()), fop_errors: z.array(z.number()) }),
  z.transform(({ data_read: bytesRead, fop_hits: hits, fop_errors: errors }) => ({
    isTouched: [...hits, ...errors].some((count) => count > 0),
    bytesRead,
    failedReads: errors[READ] ?? 0,
  })),
);

const errorSchema = z.object({ message: z.string() });

/** How nydusd's status codes translate (its `translate_status_code`); all that is wrong with a mount is a 500. */
const CODES: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
  404: Code.Unimplemented,
  500: Code.FailedPrecondition,
  501: Code.Unimplemented,
  503: Code.Unavailable,
};

/** What a nydusd says of itself. @throws StatusError Internal where the answer is none */
export function requireAnswer(answer: Answer): DaemonInfo {
  const parsed = daemonSchema.safeParse(jsonOf(answer.text));
  if (answer.status === 200 && parsed.success) return parsed.data;
  throw new StatusError(
    Code.Internal,
    `nydusd answered no state on its API (status ${answer.status}): see whether it is a nydusd`,
  );
}

/** What a nydusd has counted of an image; undefined where it does not say. */
export function readingsIn(answer: Answer): ImageReadings | undefined {
  const parsed = readingsSchema.safeParse(jsonOf(answer.text));
  return answer.status === 200 && parsed.success ? parsed.data : undefined;
}

/** The error for a request that nydusd did not do. */
export function refusal(doing: string, answer: Answer): StatusError {
  const parsed = errorSchema.safeParse(jsonOf(answer.text));
  const words = parsed.success ? withoutWrapping(parsed.data.message) : `status ${answer.status}`;
  const code = CODES[answer.status] ?? Code.Unknown;
  return new StatusError(code, `nydusd cannot ${doing}: ${withoutSecrets(words)}`);
}

/** `Mount(MountFilesystem(Other("…")))`, as Rust's Debug writes it. */
function withoutWrapping(message: string): string {
  const inner = /Other\("(.+)"\)/s.exec(message)?.[1];
  return inner === undefined ? message : inner.replaceAll('\\"', '"');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
