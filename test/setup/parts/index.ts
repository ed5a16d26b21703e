import type { Part } from '../part.ts';
import { cc } from './cc.ts';
import { cni } from './cni.ts';
import { containerd, type Containerd } from './containerd.ts';
import { crictl, critest } from './cri-tools.ts';
import { debianSystem } from './debian-system.ts';
import { go } from './go.ts';
import { initrd } from './initrd.ts';
import { interopGo, interopRust } from './interop.ts';
import { jaeger } from './jaeger.ts';
import { kernel, type Kernel } from './kernel.ts';
import { node24 } from './node-24.ts';
import { nydus, type Nydus } from './nydus.ts';
import { packageManagers, type PackageManagers } from './package-managers.ts';
import { qemu } from './qemu.ts';
import { quota } from './quota.ts';
import { registry } from './registry.ts';
import { runcShim } from './runc-shim.ts';
import { shareService } from './share-service.ts';
import { systemd } from './systemd.ts';
import { virtiofsdC } from './virtiofsd-c.ts';
import { virtiofsdRust } from './virtiofsd-rust.ts';
import { virtiofsd, type AnyVirtiofsd } from './virtiofsd.ts';

/** What each part is when obtained, by the name under which it is asked for. */
export interface Parts {
  readonly qemu: string;
  readonly kernel: Kernel;
  readonly initrd: string;
  readonly virtiofsd: AnyVirtiofsd;
  readonly 'virtiofsd-c': string;
  readonly 'virtiofsd-rust': string;
  readonly cc: string;
  readonly go: string;
  readonly 'interop-go': string;
  readonly 'interop-rust': string;
  readonly 'share-service': string;
  readonly 'containerd-2.4.2': Containerd;
  readonly 'containerd-2.3.7': Containerd;
  readonly critest: string;
  readonly crictl: string;
  readonly cni: string;
  readonly jaeger: string;
  readonly 'node-24': string;
  readonly nydus: Nydus;
  readonly registry: string;
  readonly 'package-managers': PackageManagers;
  readonly 'runc-shim': string;
  readonly quota: string;
  readonly systemd: string;
  readonly 'debian-bookworm': string;
  readonly 'debian-trixie': string;
}

/** Every part by its name. */
export const parts: { readonly [N in keyof Parts]: Part<Parts[N]> } = {
  qemu,
  kernel,
  initrd,
  virtiofsd,
  'virtiofsd-c': virtiofsdC,
  'virtiofsd-rust': virtiofsdRust,
  cc,
  go,
  'interop-go': interopGo,
  'interop-rust': interopRust,
  'share-service': shareService,
  'containerd-2.4.2': containerd('2.4.2'),
  'containerd-2.3.7': containerd('2.3.7'),
  critest,
  crictl,
  cni,
  jaeger,
  'node-24': node24,
  nydus,
  registry,
  'package-managers': packageManagers,
  'runc-shim': runcShim,
  quota,
  systemd,
  'debian-bookworm': debianSystem('bookworm'),
  'debian-trixie': debianSystem('trixie'),
};

/** The parts that all tests together need, quick ones first. */
export const allParts: readonly (keyof Parts)[] = [
  'qemu',
  'initrd',
  'virtiofsd-c',
  'cc',
  'quota',
  'cni',
  'package-managers',
  'node-24',
  'debian-bookworm',
  'debian-trixie',
  'virtiofsd-rust',
  'go',
  'interop-go',
  'share-service',
  'interop-rust',
  'containerd-2.4.2',
  'containerd-2.3.7',
  'critest',
  'crictl',
  'jaeger',
  'registry',
  'nydus',
];

/** Tells whether there is a part called `name`. */
export function isPartName(name: string): name is keyof Parts {
  return Object.hasOwn(parts, name);
}
