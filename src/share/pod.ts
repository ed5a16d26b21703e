import { z } from '../config/zod-mini.ts';

/** What is on record of a pod: neither labels nor annotations, which can be long and hold what is secret. */
export const podNameSchema = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string(),
  attempt: z.int().check(z.nonnegative()),
});

/** How Kubernetes names a pod; `attempt` counts the sandboxes that its kubelet has made for it. */
export type PodName = Readonly<z.output<typeof podNameSchema>>;

/** The pod that a sandbox is made for, as CRI describes it. */
export interface Pod extends PodName {
  /** Absent where another host made the sandbox. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent where another host made the sandbox. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Only a pod's names. */
export const podNameOf = ({ name, namespace, uid, attempt }: Pod): PodName => ({
  name,
  namespace,
  uid,
  attempt,
});

/** What log lines and spans tell of a pod, under OpenTelemetry's names. */
export const podAttributes = (pod: PodName | undefined): Record<string, string> =>
  pod ? { 'k8s.pod.name': pod.name, 'k8s.namespace.name': pod.namespace, 'k8s.pod.uid': pod.uid } : {};
