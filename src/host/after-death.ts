import { releaseInherited } from '../proc/flock.ts';
import { describeStateDirectory } from '../share/state-directory.ts';
import { createLogger } from '../tracing/log.ts';
import { takeLeftovers } from './leftovers.ts';

// A program: what the holder of a state directory's lock becomes when its process has ended without closing the host.
// It ends that process's shares. What it cannot end stays on record, and the next host says why.
const [path = '', identity, scratchDir] = process.argv.slice(2);
const stateDir = describeStateDirectory(path, { identity, scratchDir });
if (stateDir.isInPlace()) {
  // To watch daemons keeps no process alive.
  const alive = setInterval(() => {}, 2 ** 30);
  const log = createLogger('silent');
  await using _ = stateDir.trash;
  // Those that outlive their host are the next one's.
  await takeLeftovers({ stateDir, log }, async (_sandbox, adoptable) => void (await adoptable));
  // The next host need not wait until the trash is empty.
  releaseInherited(stateDir.host.lock);
  clearInterval(alive);
}
