import type { DescMethod } from '@bufbuild/protobuf';
import { propagation, ROOT_CONTEXT, SpanKind, type Span } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { Code, codeName, StatusError, type ServerInterceptor } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { withAttributes, withSpan } from '../tracing/span.ts';
import { namespaceOf } from './namespace.ts';
import { podAttributesOf } from './pod.ts';

/** One of them lasts as long as the sandbox, the others come every second. */
const UNTRACED = new Set(['WaitSandbox', 'SandboxMetrics', 'Wait', 'Stats', 'Metrics']);

/** A call as its span and its log line tell of it. */
export interface TracedCall {
  readonly system: 'ttrpc' | 'grpc';
  readonly method: DescMethod;
  readonly message: unknown;
  /** Counts where the message names none. */
  readonly namespace: string;
  /** What came with the call: the caller's trace context among it. */
  readonly metadata: { get(key: string): string | null | undefined; keys(): string[] };
}

/** Puts a server span around each ttrpc call, as a child of the caller's span, and logs each call that fails. */
export function traceCalls(log: Logger): ServerInterceptor {
  return (next) => (call) => {
    const { requestMetadata } = call.context;
    const metadata = {
      get: (key: string) => requestMetadata.get(key),
      keys: () => [...requestMetadata].map(([key]) => key),
    };
    const namespace = namespaceOf(requestMetadata);
    const traced = {
      system: 'ttrpc',
      method: call.method,
      message: call.message,
      namespace,
      metadata,
    } as const;
    return traceCall(traced, { log, run: async () => next(call) });
  };
}

/** {@link traceCalls} for one call of either protocol. */
export async function traceCall<T>(
  { system, method, message, namespace: ofMetadata, metadata }: TracedCall,
  { log, run }: { log: Logger; run: () => Promise<T> },
): Promise<T> {
  if (UNTRACED.has(method.name)) return run();
  const { sandboxId, namespace = ofMetadata } = namesIn(message);
  const sandbox = {
    'containerd.namespace': namespace,
    ...(sandboxId === undefined ? {} : { 'sandbox.id': sandboxId }),
  };
  const pod = podAttributesOf(message);
  const name = `${method.parent.typeName}/${method.name}`;
  const rpc = {
    'rpc.system': system,
    'rpc.system.name': system,
    'rpc.service': method.parent.typeName,
    'rpc.method': name,
  };
  const traced = async (span: Span): Promise<T> => {
    try {
      const reply = await run();
      setStatus(span, system, Code.Ok);
      return reply;
    } catch (error) {
      const code = StatusError.is(error) ? error.code : Code.Unknown;
      setStatus(span, system, code);
      log.error({ method: name, sandbox: sandboxId, ...pod, code: codeName(code) }, messageOf(error));
      throw error;
    }
  };
  const parent = propagation.extract(ROOT_CONTEXT, metadata, {
    keys: (carrier) => carrier.keys(),
    get: (carrier, key) => carrier.get(key) ?? undefined,
  });
  return withAttributes({ ...sandbox, ...pod }, () =>
    withSpan(name, rpc, traced, { kind: SpanKind.SERVER, parent }),
  );
}

function setStatus(span: Span, system: TracedCall['system'], code: Code): void {
  // The number is what containerd's own instrumentation writes, the name is today's convention.
  span.setAttributes({ [`rpc.${system}.status_code`]: code, 'rpc.response.status_code': codeName(code) });
}

/** Requests to the share, the Sandbox and the Controller service name the sandbox, those to the Task service the container. */
function namesIn(message: unknown): { sandboxId: string | undefined; namespace: string | undefined } {
  const { sandboxId, id, namespace } = message as { sandboxId?: string; id?: string; namespace?: string };
  return { sandboxId: sandboxId || id || undefined, namespace: namespace || undefined };
}
