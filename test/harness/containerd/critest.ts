import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';
import { z } from 'zod';

import { obtain } from '../../setup/obtain.ts';
import { nriSocketOf } from './containerd-config.ts';
import type { Containerd } from './containerd.ts';

/** What became of one of critest's specs. */
export interface Spec {
  readonly name: string;
  /** `passed`, `failed`, `skipped` or another word of ginkgo's. */
  readonly state: string;
  readonly failure: string | undefined;
}

/** Patterns of the names of specs. */
export interface SpecChoice {
  readonly focus: string;
  readonly skip: string;
}

/** The 16 of cri-tools 1.37 that start no container and pull no image. */
export const WITHOUT_CONTAINERS: SpecChoice = {
  focus: [
    '\\[k8s.io\\] Runtime info',
    '\\[k8s.io\\] Idempotence',
    '\\[k8s.io\\] PodSandbox .* (basic operations|returning metrics descriptors)',
    '\\[k8s.io\\] NRI (pod sandbox lifecycle|RunPodSandbox contract)',
  ].join('|'),
  skip: 'StopContainer .* already stopped|workload containers',
};

/** Runs the conformance tests of Kubernetes with a runtime handler; the specs that were not chosen are left out. */
export async function runCritest(
  { dir, address }: Pick<Containerd, 'dir' | 'address'>,
  { focus, skip, handler }: SpecChoice & { readonly handler: string },
): Promise<Spec[]> {
  const report = join(dir, 'critest.json');
  const endpoint = `unix://${address}`;
  const where = ['-runtime-endpoint', endpoint, '-image-endpoint', endpoint, '-nri-socket', nriSocketOf(dir)];
  const which = ['-runtime-handler', handler, '-ginkgo.focus', focus, '-ginkgo.skip', skip];
  // Some specs wait five seconds for what a busy machine needs longer for.
  const how = ['-ginkgo.flake-attempts', '3', '-ginkgo.json-report', report, '-ginkgo.no-color'];
  const args = [...where, ...which, ...how];
  const { all } = await execa(await obtain('critest'), args, { cwd: dir, reject: false, all: true });
  const text = await readFile(report, 'utf8').catch((cause: unknown) => {
    throw new Error(`critest left no report:\n${all}`, { cause });
  });
  return parseReport(JSON.parse(text)).filter(({ state }) => state !== 'skipped');
}

const reportSchema = z.tuple([
  z.object({
    SpecReports: z.array(
      z.object({
        ContainerHierarchyTexts: z.array(z.string()).nullable(),
        LeafNodeType: z.string(),
        LeafNodeText: z.string(),
        State: z.string(),
        Failure: z.object({ Message: z.string() }).optional(),
      }),
    ),
  }),
]);

function parseReport(report: unknown): Spec[] {
  const [{ SpecReports: specs }] = reportSchema.parse(report);
  return specs
    .filter(({ LeafNodeType: type }) => type === 'It')
    .map(({ ContainerHierarchyTexts: parents, LeafNodeText: text, State: state, Failure: failure }) => ({
      name: [...(parents ?? []), text].join(' '),
      state,
      failure: failure?.Message,
    }));
}
