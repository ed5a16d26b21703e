/** Where a test's Jaeger listens; all on 127.0.0.1. */
export interface JaegerPorts {
  readonly query: number;
  readonly queryGrpc: number;
  readonly otlpHttp: number;
}

/** The configuration, in YAML, of a Jaeger that keeps traces in memory and listens on loopback only. */
export function jaegerConfig({ query, queryGrpc, otlpHttp }: JaegerPorts): string {
  return `service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics:
      level: none
extensions:
  jaeger_storage:
    backends:
      memory:
        memory:
          max_traces: 10000
  jaeger_query:
    storage:
      traces: memory
    http:
      endpoint: 127.0.0.1:${query}
    grpc:
      endpoint: 127.0.0.1:${queryGrpc}
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:${otlpHttp}
exporters:
  jaeger_storage_exporter:
    trace_storage: memory
`;
}
