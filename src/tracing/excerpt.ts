/** How much of a text of somebody else's is logged, in bytes. */
export const EXCERPT_BYTES = 200;

/** The beginning of a text that somebody else wrote: as much of it as belongs into a log. */
export function excerptOf(text: string | Buffer): string {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  if (bytes.length <= EXCERPT_BYTES) return bytes.toString();
  return `${bytes.subarray(0, EXCERPT_BYTES).toString()}…`;
}
