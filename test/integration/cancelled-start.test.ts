import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Code, type StatusError } from 'ttrpc-ts';
import type { Host } from '../../src/host/host.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

/** So often it is opened before it can be cancelled: then it has been cancelled at every step. */
const TIMES_OPENED = 3;

/** Begins something, lets the event loop turn so often, and ends it; returns how that came out. */
type Cut = (host: Host, turns: number, source: string) => Promise<{ pid?: number; error?: StatusError }>;

const turns = async (count: number): Promise<void> => {
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (let made = 0; made < count; made++) await turn();
};

const abortOpening: Cut = async (host, count, source) => {
  const cancel = new AbortController();
  const opening = host.openShare({ sandboxId: 'a', tag: 'work', source }, { signal: cancel.signal });
  const outcome = opening.then(
    (share) => ({ share }),
    (error: StatusError) => ({ error }),
  );
  await turns(count);
  cancel.abort(new Error('given up'));
  const result = await outcome;
  if (!('share' in result)) return result;
  const { pid } = result.share;
  await result.share[Symbol.asyncDispose]();
  return { pid };
};

const deleteSandbox: Cut = async ({ sandboxes }, count, source) => {
  const creating = sandboxes.create(sandboxRequest('a', { tag: 'work', source }, { tag: 'own' }));
  const outcome = creating.then(
    ({ shares }) => ({ pid: shares[0]?.pid ?? 0 }),
    (error: StatusError) => ({ error }),
  );
  await turns(count);
  await sandboxes.delete('default', 'a');
  return outcome;
};

const closeShare: Cut = async ({ sandboxes }, count, source) => {
  const sandbox = await sandboxes.create(sandboxRequest('a'));
  const outcome = sandbox.openShare({ tag: 'work', source }).then(
    ({ pid }) => ({ pid }),
    (error: StatusError) => ({ error }),
  );
  await turns(count);
  await sandbox.closeShare('work').catch(({ code }: StatusError) => assert.equal(code, Code.NotFound));
  const result = await outcome;
  await sandboxes.delete('default', 'a');
  return result;
};

const CUTS: readonly [what: string, cut: Cut, message: RegExp][] = [
  ['its signal aborts', abortOpening, /^(Cannot (start|open) share "work": )?given up$/],
  ['its sandbox is deleted', deleteSandbox, /(was deleted while it was being created|was closed while)/],
  ['it is closed', closeShare, /Share "work" was closed while it was being opened$/],
];

for (const { name, path, skip } of await realVirtiofsds()) {
  describe(`the start of ${name}`, { skip }, () => {
    for (const [what, cut, message] of CUTS) {
      test(`leaves nothing at whichever turn of the event loop ${what}`, async () => {
        await using own = await openTestHost({ daemon: path, virtiofs: { virtio_fs_dialect: 'auto' } });
        const messages = new Set<string>();
        let opened = 0;
        for (let count = 0; opened < TIMES_OPENED; count += 1 + Math.floor(count / 8)) {
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          const { pid, error } = await cut(own.host, count, own.source);
          if (error) messages.add(error.message);
          else opened++;
          if (pid !== undefined) assert.equal(isGone(pid), true);
          // oxlint-disable-next-line no-await-in-loop
          assert.deepEqual(await leftovers(own.state), [], `after ${count} turns`);
          const sockets = readdirSync(`${own.state}/s`).filter((file) => !file.startsWith('.'));
          assert.deepEqual(sockets, []);
          assert.equal(own.host.sandboxes.size, 0);
        }
        assert.equal(messages.size > 0, true);
        for (const text of messages) assert.match(text, message);
      });
    }
  });
}
