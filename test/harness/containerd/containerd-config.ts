/** A CRI runtime handler. */
export interface CriRuntime {
  /** @default "io.containerd.virtiofs.v1" */
  readonly type?: string;
  /** "shim" or the name of a proxy plugin. @default "shim" */
  readonly sandboxer?: string;
  /** Body of the handler's `options` table, in TOML. */
  readonly options?: string;
}

/** What the configuration of a test's containerd is made of. */
export interface ContainerdConfig {
  readonly dir: string;
  readonly version: string;
  readonly runtimes: Readonly<Record<string, CriRuntime>>;
  /** Configuration files that are merged into it. */
  readonly imports: readonly string[];
  /** The folder of CNI plugins. */
  readonly cniPlugins: string | undefined;
  /** Lets NRI plugins connect. */
  readonly nri: boolean;
  /** What containerd looks for before it makes a pod. */
  readonly pauseImage: string | undefined;
  /** TOML that is appended. */
  readonly extra: string;
}

/**
 * The configuration, in TOML, of a containerd that keeps everything below `dir`: no directory of the
 * system is read or written, and no plugin is loaded that needs a special kernel or file system. What it would give up
 * after a few seconds, it waits for: a busy machine may need them.
 */
export function containerdConfig(config: ContainerdConfig): string {
  const { dir, version, runtimes, imports, cniPlugins = `${dir}/cni/bin`, nri, pauseImage, extra } = config;
  const unwanted = UNWANTED_PLUGINS.filter((id) => !nri || id !== NRI);
  return `version = 4
root = "${dir}/root"
state = "${dir}/state"
temp = "${dir}/temp"
imports = ${JSON.stringify(imports)}
disabled_plugins = [${unwanted.map((id) => `\n  "${id}",`).join('')}
]

${PATIENT_TIMEOUTS}
[plugins."io.containerd.server.v1.grpc"]
  address = "${dir}/c.sock"

[plugins."io.containerd.server.v1.ttrpc"]
  address = "${dir}/c.sock.ttrpc"

[plugins."io.containerd.shim.v1.manager"]
  socket_dir = "${dir}/s"

[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  cdi_spec_dirs = []
  netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["${cniPlugins}"]
  conf_dir = "${dir}/cni/net.d"
  use_internal_loopback = ${config.cniPlugins === undefined}
${nri ? nriTable(dir) : ''}${pauseImage === undefined ? '' : pauseImageTable(pauseImage)}${Object.entries(
    runtimes,
  )
    .map(([name, runtime]) => criRuntime(name, runtime, version))
    .join('')}
${extra}`;
}

/** What containerd says against its configuration: keys that it ignores, forms that it no longer wants. */
export const configurationWarnings = (log: string): string[] =>
  log
    .split('\n')
    .filter((line) =>
      /level=warning msg="(Ignoring unknown|Configuration migrated|[^"]*deprecat)/i.test(line),
    );

const PATIENT_TIMEOUTS = `[timeouts]
  "io.containerd.timeout.shim.cleanup" = "5m"
  "io.containerd.timeout.shim.load" = "5m"
  "io.containerd.timeout.shim.shutdown" = "5m"
  "io.containerd.timeout.metrics.shimstats" = "5m"
`;

function criRuntime(name: string, { type, sandboxer, options }: CriRuntime, version: string): string {
  const table = `plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${name}`;
  return `
[${table}]
  runtime_type = "${type ?? 'io.containerd.virtiofs.v1'}"
  sandboxer = "${sandboxer ?? 'shim'}"
${version.startsWith('2.3.') ? '' : '  disable_pause_image_pull = true\n'}${
    options === undefined ? '' : `\n[${table}.options]\n${options}\n`
  }`;
}

/** The socket that NRI plugins connect to. */
export const nriSocketOf = (dir: string): string => `${dir}/nri.sock`;

const NRI = 'io.containerd.nri.v1.nri';

const nriTable = (dir: string): string => `
[plugins."${NRI}"]
  socket_path = "${nriSocketOf(dir)}"
  plugin_path = "${dir}/nri/plugins"
  plugin_config_path = "${dir}/nri/conf.d"
  plugin_registration_timeout = "5m"
  plugin_request_timeout = "5m"
`;

const pauseImageTable = (name: string): string => `
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${name}"
`;

const UNWANTED_PLUGINS = [
  'io.containerd.differ.v1.erofs',
  'io.containerd.image-verifier.v1.bindir',
  'io.containerd.internal.v1.opt',
  'io.containerd.monitor.container.v1.restart',
  'io.containerd.monitor.task.v1.cgroups',
  'io.containerd.mount-handler.v1.erofs',
  NRI,
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.erofs',
  'io.containerd.snapshotter.v1.zfs',
];
