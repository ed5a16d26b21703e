/**
 * The environment of a daemon: only what it may need, because ours can hold secrets such as exporter headers.
 * RUST_LOG stays out: it can silence the line by which the Rust virtiofsd says that it waits for its VMM.
 */
export function daemonEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'RUST_BACKTRACE'];
  return Object.fromEntries(kept.flatMap((key) => (process.env[key] ? [[key, process.env[key]]] : [])));
}
