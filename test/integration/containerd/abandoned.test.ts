import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { CONTROLLER, startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc, type GrpcConnection } from '../../harness/containerd/grpc.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import {
  specOf,
  startShimContainerd,
  type ShimContainerd,
} from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain } from '../../setup/obtain.ts';

// Callers that no longer wait while CreateSandbox is at work. containerd executes `delete` in some of these cases and
// in some not, so each is repeated. Needs root.

const fixtures = join(import.meta.dirname, '../../harness/containerd/fixtures/plugins');
const rounds = 5;

const callers = ['past its deadline', 'cancelled by its caller'] as const;

const ways = containerdVersions.flatMap((release) => [
  { version: release, sandboxer: 'shim' },
  { version: release, sandboxer: CONTROLLER },
]);

for (const { version, sandboxer } of ways) {
  describe(`CreateSandbox of containerd ${version}, sandboxer ${sandboxer}`, () => {
    for (const gone of callers) {
      for (const stubborn of [false, true]) {
        test(`${gone} leaves nothing: a provider that ${stubborn ? 'takes no notice' : 'stops'}`, async () => {
          await using marks = await temporaryDirectory();
          await using containerd = await startSlow({ version, sandboxer, stubborn, marks: marks.path });
          using grpc = connectGrpc(containerd.address);
          const spec = specOf({ work: await containerd.source('work') });
          // A sandbox that stays, so that the host does.
          await createSandbox(grpc, { id: 'other', spec: {}, sandboxer });
          for (const name of Array.from({ length: rounds }, (_, index) => `sb${index}`)) {
            // oxlint-disable no-await-in-loop -- one after the other
            const id = await abandon(grpc, { gone, sandboxer, marks: marks.path, name, spec });
            if (stubborn) {
              // containerd has taken notice, and asked the host to shut down what is being created.
              await eventually('it is cancelled', () => existsSync(mark(marks.path, id, 'canceled')));
              await writeFile(mark(marks.path, id, 'go'), '');
              await eventually('the share was open', () => existsSync(mark(marks.path, id, 'opened')));
            }
            await eventually(
              `nothing of ${id} is left`,
              async () => (await left(containerd)).length === 0,
            ).catch(async () => assert.deepEqual(await left(containerd), []));
            // oxlint-enable no-await-in-loop
          }
          // A fork of the host looks like it until it executes its program.
          await eventually('one host is there', async () => (await containerd.hosts()).length === 1);
          await removeSandbox(grpc, 'other');
        });
      }
    }
  });
}

/**
 * Has a caller give up CreateSandbox while the provider is at work on it; returns the sandbox' id. A deadline that has
 * passed before is tried again, twice as long.
 */
async function abandon(
  grpc: GrpcConnection,
  {
    gone,
    sandboxer,
    marks,
    name,
    spec,
  }: { gone: (typeof callers)[number]; sandboxer: string; marks: string; name: string; spec: unknown },
): Promise<string> {
  for (let timeoutMs = 400; ; timeoutMs *= 2) {
    // oxlint-disable no-await-in-loop -- one after the other
    const id = `${name}-${timeoutMs}`;
    const isAsked = (): boolean => existsSync(mark(marks, id, 'asked'));
    const caller = new AbortController();
    const options = gone === 'past its deadline' ? { timeoutMs } : { signal: caller.signal };
    // DeadlineExceeded or Canceled, whichever side notices first.
    const rejected = assert.rejects(
      createSandbox(grpc, { id, spec, sandboxer }, options),
      ({ code }: { code: number }) => [1, 4].includes(code),
    );
    if (gone === 'cancelled by its caller') await eventually('the provider is asked', isAsked);
    caller.abort();
    await rejected;
    if (isAsked()) return id;
    // oxlint-enable no-await-in-loop
  }
}

/** A file by which the provider and the test speak of a sandbox. */
const mark = (marks: string, id: string, name: 'asked' | 'canceled' | 'go' | 'opened'): string =>
  join(marks, `${id}.${name}`);

/** What is left of all sandboxes but the one that stays, containerd's bundles included. */
async function left(containerd: ShimContainerd): Promise<string[]> {
  // A controller has no bundles, and a shim no records of sandboxes without shares.
  const directories = [bundlesOf(containerd), join(containerd.state, 'sandboxes/default')];
  const ids = await Promise.all(directories.map((path) => readdir(path).catch(() => [])));
  const others = (await containerd.leftovers()).filter((name) => name !== 'default');
  return [...others, ...ids.flat().filter((id) => id !== 'other')];
}

const bundlesOf = ({ dir }: ShimContainerd): string =>
  join(dir, 'state/io.containerd.sandbox.controller.v1.shim/default');

async function startSlow({
  version,
  sandboxer,
  stubborn,
  marks,
}: {
  sandboxer: string;
  version: (typeof containerdVersions)[number];
  stubborn: boolean;
  marks: string;
}): Promise<ShimContainerd> {
  const daemon = `virtio_fs_daemon = "${(await obtain('virtiofsd')).path}"`;
  const config = `shared_fs = "virtio-fs-slow"
plugin_dirs = ["${fixtures}"]
[plugins."io.containerd.fsshare.v1.slow"]
marks = "${marks}"
stubborn = ${stubborn}
[plugins."io.containerd.fsshare.v1.slow".virtiofs]
${daemon}`;
  return (sandboxer === 'shim' ? startShimContainerd : startControllerContainerd)({ version, config });
}
