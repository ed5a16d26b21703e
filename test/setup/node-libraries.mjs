import { execFileSync } from 'node:child_process';
import { runQuietly } from './quiet-tool.mjs';

/** Installs the one library that Node's own builds need since version 25 and a bare Debian lacks. */
export async function installNodeLibraries() {
  if (isLibatomicThere()) return;
  const install = [
    'install',
    '--yes',
    '--no-install-recommends',
    '-o',
    'DPkg::Lock::Timeout=300',
    'libatomic1',
  ];
  if (process.getuid() !== 0) {
    throw new Error('A newer Node needs the library libatomic: run "sudo apt-get install libatomic1"');
  }
  console.error('Installing libatomic1 from Debian, for a newer Node (once)');
  const offlineRemedy = "Debian's mirror cannot be reached: connect this machine to the network";
  await runQuietly('apt-get', install, { offlineRemedy }).catch(async () => {
    await runQuietly('apt-get', ['update', '--error-on=any'], { offlineRemedy });
    await runQuietly('apt-get', install, { offlineRemedy });
  });
}

function isLibatomicThere() {
  try {
    return execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).includes('libatomic.so.1');
  } catch {
    return true; // a system that we do not know
  }
}
