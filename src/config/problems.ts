import { closestMatch } from 'leven';
import { knownKeys } from './known-keys.ts';

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
  if (known.length === 0) return '';
  const nearest = closestMatch(key, known, { maxDistance: Math.max(2, Math.floor(key.length / 3)) });
  return nearest === undefined ? `; known: ${known.join(', ')}` : `; did you mean "${nearest}"?`;
}

function isUnrecognized(issue: Issue): issue is Issue & { keys: readonly string[] } {
  return 'code' in issue && issue.code === 'unrecognized_keys' && 'keys' in issue;
}

const isSegment = (part: unknown): part is { key: unknown } =>
  typeof part === 'object' && part !== null && 'key' in part;
