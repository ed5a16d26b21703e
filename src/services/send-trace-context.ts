import { context, propagation, type TextMapSetter } from '@opentelemetry/api';
import type { ClientInterceptor, Metadata } from 'ttrpc-ts';

/** Sends the active span's context with each call, so that the other side's spans join its trace. */
export const sendTraceContext: ClientInterceptor = (next) => (call) => {
  propagation.inject(context.active(), call.metadata, intoMetadata);
  return next(call);
};

const intoMetadata: TextMapSetter<Metadata> = {
  set: (metadata, key, value) => {
    metadata.set(key, value);
  },
};
