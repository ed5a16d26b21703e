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
  return (await readFile(example, 'utf8'))
    .replace(':16686', `:${query}`)
    .replace(':16685', `:${queryGrpc}`)
    .replace(':4318', `:${otlpHttp}`);
}
