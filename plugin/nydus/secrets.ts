/** The texts of nydusd's configurations, in both versions, that name things and places. All others may be secrets. */
const NAMES: ReadonlySet<string> = new Set([
  'access_pattern',
  'alt_dirs',
  'blob_file',
  'blob_url_scheme',
  'bucket_name',
  'device_path',
  'dir',
  'domain_id',
  'id',
  'mode',
  'object_prefix',
  'region',
  'repo',
  'scheme',
  'type',
  'work_dir',
]);

/** Those that name a server: with an "@" or "?" in it, a password or token can stand there too. */
const SERVERS: ReadonlySet<string> = new Set([
  'addr',
  'blob_redirected_host',
  'endpoint',
  'host',
  'ping_url',
  'url',
]);

/**
 * True unless all that stands in an image's configuration is known to be no secret: credentials of its own, keys, headers,
 * and whatever a later nydusd may take.
 */
export function mayHoldSecrets(config: string): boolean {
  try {
    return isSuspicious('', JSON.parse(config));
  } catch {
    return true;
  }
}

function isSuspicious(key: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.some((item) => isSuspicious(key, item));
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).some(([name, member]) => isSuspicious(name, member));
  if (typeof value !== 'string' || value === '') return false;
  return SERVERS.has(key) ? /[@?]/.test(value) : !NAMES.has(key);
}
