import type { MessageInitShape } from '@bufbuild/protobuf';

import { NamespaceMode, type PodSandboxConfigSchema } from '../../../src/proto/cri/pod-sandbox-config_pb.ts';

/** What a test wants to say about a pod. */
export interface PodSettings {
  readonly name: string;
  /** Which of the sandboxes that were made for it this is. @default 0 */
  readonly attempt?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The pod as CRI is asked for it. */
export type PodConfig = MessageInitShape<typeof PodSandboxConfigSchema>;

/** A pod in the host's network namespace, which needs no CNI plugin. */
export const hostNetworkPod = (settings: PodSettings): PodConfig => podConfig(settings, NamespaceMode.NODE);

/** A pod with a network namespace of its own, which CNI plugins set up. */
export const bridgePod = (settings: PodSettings): PodConfig => podConfig(settings, NamespaceMode.POD);

function podConfig(
  { name, attempt = 0, annotations = {}, labels = {} }: PodSettings,
  network: NamespaceMode,
): PodConfig {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: 'test', attempt },
    annotations: { ...annotations },
    labels: { ...labels },
    linux: { securityContext: { namespaceOptions: { network } } },
  };
}
