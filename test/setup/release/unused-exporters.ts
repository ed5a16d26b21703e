import type { Plugin } from 'rolldown';

const STUB = '\0unused-exporter';

/**
 * Leaves out the exporters that OpenTelemetry's SDK chooses by the environment, where the program names none: ours does.
 * They bring a whole gRPC besides, half of what tracing loads.
 */
export const unusedExporters: Plugin = {
  name: 'unused-exporters',
  resolveId: (specifier) =>
    /^@opentelemetry\/exporter-(?:(?:trace|logs|metrics)-otlp-grpc|prometheus|zipkin)$/.test(specifier)
      ? STUB
      : undefined,
  load: (id) => (id === STUB ? 'module.exports = {};' : undefined),
};
