import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached } from '../cached.ts';
import { hashFiles } from '../hash-files.ts';
import type { Part, SetupContext } from '../part.ts';
import { runTool } from '../tool.ts';
import { cargoInstall } from './cargo.ts';
import { go, goEnvironment } from './go.ts';

const sources = fileURLToPath(new URL('../../interop/', import.meta.url));

/** The path of the Go program that ttrpc-ts is tested with. */
export const interopGo = interopPeer({
  language: 'Go',
  files: ['go/**/*.{go,mod,sum}'],
  async build(directory, context) {
    const command = await go.obtain(context);
    const args = [
      '-C',
      join(sources, 'go'),
      'build',
      '-trimpath',
      '-o',
      join(directory, 'bin/ttrpc-interop'),
    ];
    await runTool(command, [...args, '.'], { ...context, env: goEnvironment });
  },
});

/** The path of the Rust program that ttrpc-ts is tested with. */
export const interopRust = interopPeer({
  language: 'Rust',
  files: ['rust/{Cargo.toml,Cargo.lock,build.rs}', 'rust/src/*.rs', 'proto/interop.proto'],
  build: (directory, context) =>
    cargoInstall({ directory, crate: ['--debug', '--path', join(sources, 'rust')] }, context),
});

interface PeerOptions {
  readonly language: 'Go' | 'Rust';
  /** Patterns below test/interop of what it is built from. */
  readonly files: readonly string[];
  /** Builds it as bin/ttrpc-interop below a folder. */
  readonly build: (directory: string, context: SetupContext) => Promise<void>;
}

function interopPeer({ language, files, build }: PeerOptions): Part<string> {
  return {
    description: `the ${language} side of the tests of ttrpc-ts`,
    async obtain(context) {
      const name = `ttrpc-interop-${language.toLowerCase()}-${await hashFiles(sources, files)}`;
      const doing = `Building ttrpc's ${language} side, about a minute (once)`;
      const make = (directory: string): Promise<void> => build(directory, context);
      return join(await cached({ name, doing, make }, context), 'bin/ttrpc-interop');
    },
  };
}
