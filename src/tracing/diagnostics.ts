import { DiagLogLevel, type DiagLogger } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { excerptOf } from './excerpt.ts';

/** What OpenTelemetry says of itself, from this level on; OTEL_LOG_LEVEL names another. */
export function diagnosticLevel(): DiagLogLevel {
  const wanted = process.env['OTEL_LOG_LEVEL']?.trim().toUpperCase() ?? '';
  return (
    (Object.entries(DiagLogLevel).find(([name]) => name === wanted)?.[1] as DiagLogLevel) ?? DiagLogLevel.WARN
  );
}

/** Takes what OpenTelemetry says of itself into the log: a text that comes again and again once, and the start of long ones. */
export function diagnosticsTo(log: Logger): DiagLogger {
  let last: string | undefined;
  const at =
    (level: 'warn' | 'info' | 'debug' | 'trace') =>
    (...parts: readonly unknown[]): void => {
      const text = parts.map(textOf).join(' ');
      // The same with another number, as of spans, is no news.
      const kind = text.replaceAll(/\d+/g, '');
      if (kind === last) return;
      last = kind;
      log[level]({ source: 'opentelemetry' }, text);
    };
  return { error: at('warn'), warn: at('warn'), info: at('info'), debug: at('debug'), verbose: at('trace') };
}

const textOf = (part: unknown): string =>
  Buffer.isBuffer(part) ? JSON.stringify(excerptOf(part)) : excerptOf(messageOf(part));
