import { parse, TomlError } from 'smol-toml';

/**
 * Parses a TOML file's text.
 *
 * @throws Error with the place of a mistake and nothing of the text: whoever named the file may not be allowed to read it
 */
export function parseToml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [problem = ''] = error.message.split('\n');
    // Without the error itself as cause, because logs show causes.
    // oxlint-disable-next-line preserve-caught-error -- it quotes the text
    throw new Error(`${problem.trim()} (line ${error.line}, column ${error.column})`);
  }
}
