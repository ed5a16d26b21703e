/** Returns the folder, made if need be, that keeps what set-up downloads and builds, outside of any checkout. */
export function cacheDir(): string;
