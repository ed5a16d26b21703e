/** The headers of requests, as Rust's Debug writes them; a long line is cut within them. */
const HEADERS = /\bheaders: \{.*?(?:\}(?=[,\s)"\\}]|$)|$)/g;
/** Fields of nydusd's configuration and of a URL that can hold a secret; their quotes are escaped within a text. */
const FIELDS =
  /\b(username|password|query|auth|registry_token|access_key_id|access_key_secret): (Some\()?(\\*")(?!\3).*?(?:(?<!\\)\3|$)/g;
const USER = /(\w:\/\/)[^/\s"]+@/g;
/** What signs a URL stands there. */
const QUERY = /(\w:\/\/[^\s"?]*)\?[^\s"\\]*/g;

/** A text of nydusd's without what may be a secret: at each mount it prints the backend's configuration as it is. */
export const withoutSecrets = (text: string): string =>
  text
    .replaceAll(HEADERS, 'headers: {…}')
    .replaceAll(FIELDS, '$1: $2$3…$3')
    .replaceAll(USER, '$1…@')
    .replaceAll(QUERY, '$1?…');
