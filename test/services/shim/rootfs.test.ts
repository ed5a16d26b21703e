import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Code } from 'ttrpc-ts';
import { MountSchema } from '../../../src/proto/containerd/mount_pb.ts';
import { parseRootfs } from '../../../src/services/shim/rootfs.ts';

type MountInit = MessageInitShape<typeof MountSchema>;

const parse = (...mounts: MountInit[]): ReturnType<typeof parseRootfs> =>
  parseRootfs(
    mounts.map((mount) => create(MountSchema, mount)),
    'web',
  );

describe('parseRootfs()', () => {
  test('takes what is of type virtiofs, read-only where an option says so', () => {
    const parts = parse(
      { type: 'virtiofs', source: '/a', options: ['rbind', 'ro,nosuid'] },
      { type: 'virtiofs', source: '/b' },
    );
    assert.deepEqual(parts, [
      { source: '/a', readOnly: true },
      { source: '/b', readOnly: false },
    ]);
  });

  test('takes nothing of a root file system that is of other types', () => {
    assert.deepEqual(parse(), []);
    assert.deepEqual(parse({ type: 'overlay', source: 'overlay', options: ['lowerdir=/a'] }), []);
  });

  const refusals: [string, MountInit[], string | RegExp][] = [
    [
      'an unknown option',
      [{ type: 'virtiofs', source: '/a', options: ['rw', 'reado'] }],
      /^rootfs\.0: unknown mount option "reado"/,
    ],
    [
      "a share's option",
      [{ type: 'virtiofs', source: '/a', options: ['cache=always'] }],
      'rootfs.0: "cache=" and "shared_fs=" are options of a share, and this is mounted in one',
    ],
    [
      'another mount besides',
      [
        { type: 'virtiofs', source: '/a' },
        { type: 'overlay', source: 'overlay' },
      ],
      'rootfs.1: a share mounts no "overlay": use "virtiofs", or "format/virtiofs" upon it',
    ],
    [
      'what nobody has resolved',
      [{ type: 'format/virtiofs', source: '{{ mount 0 }}' }],
      `rootfs.0: "format/virtiofs" came as it was written: enable containerd's plugin io.containerd.mount-manager.v1.bolt`,
    ],
  ];
  for (const [what, mounts, problem] of refusals) {
    test(`refuses ${what}`, () => {
      const prefix = 'Invalid root file system of container "web": ';
      assert.throws(
        () => parse(...mounts),
        ({ code, message }: { code: Code; message: string }) => {
          assert.equal(code, Code.InvalidArgument);
          assert.ok(message.startsWith(prefix), message);
          const rest = message.slice(prefix.length);
          if (typeof problem === 'string') assert.equal(rest, problem);
          else assert.match(rest, problem);
          return true;
        },
      );
    });
  }
});
