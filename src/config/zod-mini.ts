import * as z from 'zod/mini';

// The whole of zod would bring its words for what is wrong by itself, and all that no schema of ours needs.
if (z.core.globalConfig.localeError === undefined) z.config(z.locales.en());

/** The small form of the schema library; it speaks English where the program has set no other language. */
export { z };
