import type { MessageInitShape } from '@bufbuild/protobuf';

import { NamespaceMode, type PodSandboxConfigSchema } from '../../../src/proto/cri/pod-sandbox-config_pb.ts';

/** What a test wants to say about a pod. */
export interface PodSettings {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A pod in the host's network namespace, which needs no CNI plugin. */
export function hostNetworkPod({
  name,
  annotations = {},
  labels = {},
}: PodSettings): MessageInitShape<typeof PodSandboxConfigSchema> {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: 'test', attempt: 0 },
    annotations: { ...annotations },
    labels: { ...labels },
    linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE } } },
  };
}
