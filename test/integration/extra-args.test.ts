import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { findProblem } from '../../plugin/virtiofs/extra-args/check.ts';
import { C_RULES } from '../../plugin/virtiofs/extra-args/dialect-c.ts';
import { RUST_RULES } from '../../plugin/virtiofs/extra-args/dialect-rust.ts';
import { daemonPlace } from '../harness/test-daemon.ts';
import { realVirtiofsds, type RealVirtiofsd } from '../harness/virtiofsds.ts';

// These ask the parsers of real virtiofsds, which need root.

/** A directory that does not exist: a virtiofsd names it where it took it for its own. */
const BAIT = '/nonexistent-bait';

/** Ways to write an option (`\t` separates arguments), of which a virtiofsd understands some. */
const SPELLINGS = {
  c: ['s', '\\s', '\\163', '\\\\s', 'S', '-s'].flatMap((letter) =>
    ['=', '\\=', '\\075', '\t', '==', ''].map((equals) => `${letter}ource${equals}${BAIT}`),
  ),
  rust: ['source', '\\source', ' source', 'Source', 'shared-dir'].flatMap((name) =>
    ['=', '==', '\t', '=\t', ' ', ''].map((equals) => `${name}${equals}${BAIT}`),
  ),
};
const CARRIERS = {
  c: [
    '-o',
    '-o\t',
    '-o=',
    '-d\t-o',
    '-do',
    '-o\txattr,',
    '-oxattr\\,',
    '-o\t\\,',
    '-o,',
    '-o\t-o\t',
    '',
    '--',
    '-',
  ],
  rust: [
    '-o',
    '-o\t',
    '-o=',
    '-do',
    '-fdo=',
    '-o\txattr,',
    '-oxattr\\,',
    '-o,',
    '-xo',
    '--xattr\t-o',
    '',
    '--',
    '-d-',
  ],
};

/** True where these arguments make a virtiofsd share the bait. */
async function takesBait({ path, dialect }: RealVirtiofsd, args: readonly string[]): Promise<boolean> {
  const own = dialect === 'c' ? ['-o', 'source=/proc', '--fd=0'] : ['--shared-dir=/proc', '--fd=0'];
  const { all } = await execa(path, [...own, ...args], { all: true, reject: false, stdin: 'ignore' });
  return dialect === 'c' ? all.includes(`stat source ("${BAIT}`) : all.includes(`${BAIT} does not exist`);
}

for (const virtiofsd of await realVirtiofsds()) {
  const { name, dialect, path, skip } = virtiofsd;
  describe(`extra arguments of ${name}`, { skip }, () => {
    test('that would change the directory are refused, however they are written', async () => {
      let taken = 0;
      const texts = CARRIERS[dialect].flatMap((carrier) => SPELLINGS[dialect].map((text) => carrier + text));
      for (const text of texts) {
        const args = text.split('\t');
        // oxlint-disable-next-line no-await-in-loop -- two processors
        if (!(await takesBait(virtiofsd, args))) continue;
        taken++;
        assert.notEqual(findProblem(args, { dialect, allowUnknown: true }), undefined, args.join(' | '));
      }
      assert.notEqual(taken, 0);
    });

    test('are known: it takes each of the list, and starts', async () => {
      const samples: Record<string, string> = {
        xattrmap: ':ok:all::: ',
        'translate-uid': 'map:0:0:1',
        'translate-gid': 'map:0:0:1',
        modcaps: '-mknod',
        'rlimit-nofile': '1024',
      };
      for (const [option, { value, ours }] of dialect === 'c' ? C_RULES : RUST_RULES) {
        // Only a virtiofsd without root's rights takes the maps.
        if (ours !== undefined || /^--[ug]id-map$/.test(option)) continue;
        const word = option.replace(/^-+/, '');
        const sample = value && (samples[word] ?? firstOf(value));
        const text = sample === undefined ? option : `${option}=${sample.trim()}`;
        await using place = await daemonPlace();
        const extraArgs = option.startsWith('-') ? [text] : ['-o', `xattr,${text}`];
        const daemon = await place.startVirtiofsd({ daemonPath: path, dialect, extraArgs });
        await daemon.ready.catch((error: unknown) => assert.fail(`${text}: ${String(error)}`));
      }
    });
  });
}

/** The first word that a rule takes. */
const firstOf = ({ source }: RegExp): string =>
  /[a-z\d][a-z\d-]*/.exec(source.replaceAll('\\d', '1'))?.[0] ?? '';
