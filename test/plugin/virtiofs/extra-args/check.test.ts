import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findProblem } from '../../../../plugin/virtiofs/extra-args/check.ts';
import type { Dialect } from '../../../../plugin/virtiofs/probe.ts';

const problem = (dialect: Dialect, args: readonly string[], allowUnknown = false): string | undefined => {
  const found = findProblem(args, { dialect, allowUnknown });
  return found && `${found.index}: ${found.message}`;
};

const OURS = 'this argument is set by the shim; leave it out';

describe('findProblem()', () => {
  const fine: [Dialect, string[]][] = [
    ['rust', ['--xattr', '--posix-acl', '--posix-acl=auto', '--sandbox', 'chroot', '--seccomp=log']],
    ['rust', ['--thread-pool-size', '4', '--rlimit-nofile=0', '--inode-file-handles=mandatory']],
    [
      'rust',
      ['--uid-map=:0:100000:65536:', '--translate-gid', 'map:0:1000:1', '--modcaps=+sys_admin:-chown'],
    ],
    ['rust', ['--xattrmap', ':map::user.source=x.:', '-df', '-foxattr,no_flock', '-o=sandbox=chroot']],
    ['c', ['-o', 'xattr,timeout=1.5,sandbox=chroot', '-oxattrmap=:map\\,::user.:', '-d', '--syslog']],
    ['c', ['-o', 'modcaps=+sys_admin:-chown', '--thread-pool-size=4', '-ox\\141ttr']],
  ];
  for (const [dialect, args] of fine) {
    test(`lets pass to the ${dialect} one: ${args.join(' ')}`, () => {
      assert.equal(problem(dialect, args), undefined);
      assert.equal(problem(dialect, args, true), undefined);
    });
  }

  const doubtful: [Dialect, string[], RegExp][] = [
    [
      'rust',
      ['--xattr', '--xatr'],
      /^1: virtiofsd has no option "--xatr" that is known here: correct it, or set/,
    ],
    ['rust', ['--xattr=yes'], /^0: "--xattr" takes no value: leave it out$/],
    ['rust', ['--sandbox=jail'], /^0: "jail" is no value of "--sandbox": correct it, or set/],
    ['rust', ['--sandbox', '--xattr'], /^0: "--sandbox" needs a value$/],
    ['rust', ['--inode-file-handles', '--xattr'], /^0: "--inode-file-handles" needs a value$/],
    ['rust', ['--thread-pool-size=many'], /^0: "many" is no value/],
    ['rust', ['-o', 'xattr,cache_size=1'], /^1: virtiofsd has no option "cache_size"/],
    ['rust', ['-x'], /^0: virtiofsd has no option "-x"/],
    ['c', ['--sandbox=chroot'], /^0: virtiofsd has no option "--sandbox"/],
    ['c', ['-df'], /^0: virtiofsd has no option "-df"/],
    ['c', ['-o', 'sandbox=none'], /^1: "none" is no value of "sandbox"/],
    ['c', ['-o', 'xattr=1'], /^1: "xattr" takes no value/],
  ];
  for (const [dialect, args, message] of doubtful) {
    test(`refuses for the ${dialect} one, unless unknown ones are allowed: ${args.join(' ')}`, () => {
      assert.match(problem(dialect, args) ?? '', message);
      assert.equal(problem(dialect, args, true), undefined);
    });
  }

  const never: [Dialect, string[], string][] = [
    ['rust', ['--shared-dir', '/'], `0: ${OURS}`],
    ['rust', ['--xattr', '--socket=/s'], `1: ${OURS}`],
    ['rust', ['--brand-new', '--fd', '5'], `1: ${OURS}`],
    ['rust', ['--brand-new', 'value', '-o', 'source=/'], `3: ${OURS}`],
    ['rust', ['-dosource=/'], `0: ${OURS}`],
    ['rust', ['-fdo=xattr,source=/'], `0: ${OURS}`],
    ['rust', ['-xosource=/'], '0: this is unknown: give it an argument of its own'],
    ['rust', ['-o', '--shared-dir=/'], '0: this needs a value behind it'],
    ['rust', ['--xattrmap', '--shared-dir=/'], `1: ${OURS}`],
    ['rust', ['--', '--xattr'], `0: ${OURS}`],
    ['rust', ['--xattr', 'source=/'], '1: this is no option'],
    ['rust', ['--cache=always'], '0: set "virtio_fs_cache" instead'],
    ['rust', ['--tag=a'], '0: each share has a tag of its own; leave it out'],
    ['rust', ['-dV'], `0: ${OURS}`],
    ['c', ['-o', 's\\ource=/'], `1: ${OURS}`],
    ['c', ['-oxattr,\\163ource=/'], `0: ${OURS}`],
    ['c', ['-o', 'source\\=/'], `1: ${OURS}`],
    ['c', ['-o', 'xattr\\,x,sourc\\145\\075/'], `1: ${OURS}`],
    ['c', ['-o', '--fd=5'], `1: ${OURS}`],
    ['c', ['-o--socket-path=/s'], `0: ${OURS}`],
    ['c', ['-o', '-o', '-osource=/'], `2: ${OURS}`],
    ['c', ['--daemonize'], `0: ${OURS}`],
    ['c', ['-o', '--daemonize'], `1: ${OURS}`],
    ['c', ['-o', 'vhost_user_socket=/s'], `1: ${OURS}`],
    ['c', ['-o', 'cache=always'], '1: set "virtio_fs_cache" instead'],
    ['c', ['--'], `0: ${OURS}`],
    ['c', ['xattr'], '0: this is no option'],
    ['c', ['-d', '-o'], '1: this needs a value behind it'],
  ];
  for (const [dialect, args, message] of never) {
    test(`refuses always for the ${dialect} one: ${args.join(' ')}`, () => {
      assert.equal(problem(dialect, args, true), message);
      assert.notEqual(problem(dialect, args), undefined);
    });
  }
});
