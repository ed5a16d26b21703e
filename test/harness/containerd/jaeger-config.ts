import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a test's Jaeger listens; all on 127.0.0.1. */
export interface JaegerPorts {
  readonly query: number;
  readonly queryGrpc: number;
  readonly otlpHttp: number;
}

const example = join(import.meta.dirname, '../../../examples/jaeger/jaeger.yaml');

/** The configuration of examples/jaeger, with ports of a test's own. */
export async function jaegerConfig({ query, queryGrpc, otlpHttp }: JaegerPorts): Promise<string> {
  const ports = { 16686: query, 16685: queryGrpc, 4318: otlpHttp };
  // In one pass: a test's port may begin as another one of the example does.
  return (await readFile(example, 'utf8')).replaceAll(
    /:(16686|16685|4318)\b/g,
    (_, port: string) => `:${ports[Number(port) as keyof typeof ports]}`,
  );
}
