/**
 * What set-up builds, pinned. The releases of containerd are pinned by the names of their parts (parts/index.ts);
 * Debian's packages and the guest kernel follow the release of Debian.
 */
export const versions = {
  /** The Rust daemon, from crates.io. */
  virtiofsd: '1.14.0',
  /** nydusd and nydus-image: the crate nydus-rs, whose newest release this is. */
  nydus: '2.2.0',
  /** The oldest cargo that compiles what is built with it; Debian 13 has this one. */
  oldestCargo: '1.85.0',
  /** Jaeger 2 is tagged twice: Go knows the commit of 2.13.0 as v1.76.0 (test/setup/jaeger/go.mod). */
  jaeger: '2.13.0',
  /** critest and crictl. */
  criTools: '1.37.0',
  /** The oldest Go that can fetch the toolchain that a go.mod names. */
  oldestGo: '1.21.0',
  /** The newest Node.js of the oldest major that runs this project, from the npm registry. */
  node24: '24.21.0',
  /** Package managers, from the npm registry. */
  pnpm: '12.21.0',
  /** The package @yarnpkg/cli-dist. */
  yarn: '4.18.1',
} as const;
