import type { ServerInterceptor } from 'ttrpc-ts';
import { printableLines } from '../text/printable.ts';

/** What callers are told goes to terminals: nothing of a caller, a path or a daemon may steer them. */
export const printableErrors: ServerInterceptor = (next) => async (call) => {
  try {
    return await next(call);
  } catch (error) {
    if (error instanceof Error) error.message = printableLines(error.message);
    throw error;
  }
};
