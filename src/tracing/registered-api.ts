import { context, diag, logs, propagation, ProxyTracerProvider, trace } from '@opentelemetry/api';

/** What a copy of @opentelemetry/api registers in a process, under a symbol of its major version. */
interface Registered {
  readonly version?: string;
  readonly trace?: unknown;
}

const SYMBOL = 'opentelemetry.js.api.';

/** True where spans go somewhere: the API's provider passes on to a registered one, else to one that does nothing. */
export function isTraced(): boolean {
  const provider = trace.getTracerProvider();
  return (
    !(provider instanceof ProxyTracerProvider) ||
    provider.getDelegate() !== new ProxyTracerProvider().getDelegate()
  );
}

/** The version of a copy of the API that this program is traced by and that ours does not see. */
export function unseenApi(): string | undefined {
  const unseen = registeredApis().find((api) => api.trace && api.trace !== trace.getTracerProvider());
  return unseen && (unseen.version ?? 'unknown');
}

/** The version of the copy of the API that came first; others of its major version cannot register anything. */
export const firstApi = (): string => registeredApis()[0]?.version ?? 'unknown';

/** Notes what the program has registered; the result takes back what was registered since. */
export function noteRegistered(): { readonly hasDiag: boolean; takeBack(): void } {
  const names = new Set(registeredApis().flatMap((api) => Object.keys(api)));
  return {
    hasDiag: names.has('diag'),
    takeBack() {
      for (const [name, api] of Object.entries({ trace, context, propagation, diag, logs }))
        if (!names.has(name)) api.disable();
    },
  };
}

function registeredApis(): Registered[] {
  const symbols = Object.getOwnPropertySymbols(globalThis);
  return symbols
    .filter((symbol) => Symbol.keyFor(symbol)?.startsWith(SYMBOL))
    .map((symbol) => Reflect.get(globalThis, symbol) as Registered);
}
