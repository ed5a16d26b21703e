import { obtain } from '../../setup/obtain.ts';

/** The releases of containerd that the tests run against. */
export type ContainerdVersion = '2.4.2' | '2.3.7';

/** All of them, newest first. */
export const containerdVersions: readonly ContainerdVersion[] = ['2.4.2', '2.3.7'];

/** The directory that holds `containerd` and `ctr` of a version; set-up builds them where it must. */
export async function containerdBinaries(version: ContainerdVersion): Promise<string> {
  return (await obtain(`containerd-${version}`)).directory;
}
