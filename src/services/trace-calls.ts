import { propagation, ROOT_CONTEXT, SpanKind, type Span, type TextMapGetter } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { Code, codeName, StatusError, type Metadata, type ServerInterceptor } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { withAttributes, withSpan } from '../tracing/span.ts';
import { namespaceOf } from './namespace.ts';

/** One of them lasts as long as the sandbox, the others come every second. */
const UNTRACED = new Set(['WaitSandbox', 'SandboxMetrics', 'Wait', 'Stats']);

/** Puts a server span around each call, as a child of the caller's span, and logs each call that fails. */
export function traceCalls(log: Logger): ServerInterceptor {
  return (next) => (call) => {
    const { method, context } = call;
    if (UNTRACED.has(method.name)) return next(call);
    const { sandboxId, namespace } = namesIn(call.message);
    const sandbox = {
      'containerd.namespace': namespace ?? namespaceOf(context.requestMetadata),
      ...(sandboxId === undefined ? {} : { 'sandbox.id': sandboxId }),
    };
    const name = `${method.parent.typeName}/${method.name}`;
    return withAttributes(sandbox, () =>
      withSpan(
        name,
        {
          'rpc.system': 'ttrpc',
          'rpc.system.name': 'ttrpc',
          'rpc.service': method.parent.typeName,
          'rpc.method': name,
        },
        async (span) => {
          try {
            const reply = await next(call);
            setStatus(span, Code.Ok);
            return reply;
          } catch (error) {
            const code = StatusError.is(error) ? error.code : Code.Unknown;
            setStatus(span, code);
            log.error({ method: name, sandbox: sandboxId, code: codeName(code) }, messageOf(error));
            throw error;
          }
        },
        {
          kind: SpanKind.SERVER,
          parent: propagation.extract(ROOT_CONTEXT, context.requestMetadata, fromMetadata),
        },
      ),
    );
  };
}

const fromMetadata: TextMapGetter<Metadata> = {
  keys: (metadata) => [...metadata].map(([key]) => key),
  get: (metadata, key) => metadata.get(key),
};

function setStatus(span: Span, code: Code): void {
  // The number is what containerd's own instrumentation writes, the name is today's convention.
  span.setAttributes({ 'rpc.ttrpc.status_code': code, 'rpc.response.status_code': codeName(code) });
}

/** Requests to the share and the Sandbox service name the sandbox, those to the Task service the container. */
function namesIn(message: unknown): { sandboxId: string | undefined; namespace: string | undefined } {
  const { sandboxId, id, namespace } = message as { sandboxId?: string; id?: string; namespace?: string };
  return { sandboxId: sandboxId || id || undefined, namespace: namespace || undefined };
}
