/** One mistake in a TOML file: the key as a person would write it, and what is wrong. */
export interface Problem {
  readonly key: string;
  readonly message: string;
}

/** What every Standard Schema reports. */
export interface Issue {
  readonly path?: readonly unknown[] | undefined;
  readonly message: string;
}

/** Turns a schema's issues into problems; an unknown key gets the nearest known one as a hint. */
export function problemsOf(
  schema: unknown,
  issues: readonly Issue[],
  prefix: readonly string[] = [],
): Problem[] {
  return issues.flatMap((issue) => {
    const path = (issue.path ?? []).map((part) => String(isSegment(part) ? part.key : part));
    if (!isUnrecognized(issue)) return [{ key: keyText([...prefix, ...path]), message: issue.message }];
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => ({
      key: keyText([...prefix, ...path, key]),
      message: `unknown key${hint(key, known)}`,
    }));
  });
}

/** `plugins."io.containerd…".key`, the way TOML writes it. */
export const keyText = (path: readonly string[]): string =>
  path.map((part) => (/^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part))).join('.');

/** `; did you mean "x"?` where a name is close, else the list of names. */
export function hint(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .toSorted((a, b) => a.distance - b.distance);
  if (!nearest) return '';
  return nearest.distance <= Math.max(2, key.length / 3)
    ? `; did you mean "${nearest.name}"?`
    : `; known: ${known.join(', ')}`;
}

function isUnrecognized(issue: Issue): issue is Issue & { keys: readonly string[] } {
  return 'code' in issue && issue.code === 'unrecognized_keys' && 'keys' in issue;
}

const isSegment = (part: unknown): part is { key: unknown } =>
  typeof part === 'object' && part !== null && 'key' in part;

/** The keys of the object schema that stands at `path`. */
function knownKeys(schema: unknown, path: readonly string[]): string[] {
  let current = unwrap(schema);
  for (const part of path)
    current = unwrap(shapeOf(current)?.[part] ?? (current as { element?: unknown }).element);
  return Object.keys(shapeOf(current) ?? {});
}

const shapeOf = (schema: unknown): Record<string, unknown> | undefined =>
  (schema as { shape?: Record<string, unknown> } | undefined)?.shape;

/** Goes through `.default()` and `.optional()`. */
function unwrap(schema: unknown): unknown {
  const inner = (schema as { def?: { innerType?: unknown } } | undefined)?.def?.innerType;
  return inner === undefined ? schema : unwrap(inner);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
