/** What tracing needs of OpenTelemetry; loaded where it is on. */
export { NodeSDK } from '@opentelemetry/sdk-node';
export { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
