const PATH = '/v1/traces';

/** Where a collector takes traces: its address with `/v1/traces`, which may stand there already. A query stays. */
export function tracesUrl(endpoint: string): URL {
  const url = new URL(endpoint);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(PATH) ? path : `${path}${PATH}`;
  return url;
}
