import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, connect, createClient } from 'ttrpc-ts';
import { EchoService } from '../../src/ttrpc-ts/examples/echo_pb.ts';
import { obtainOrSkip } from '../setup/obtain.ts';
import { makeSocketDir } from '../ttrpc-ts/fixtures/socket-dir.ts';
import { startPeerServer } from './peer-process.ts';
import { testFailures, testStreams, testUnaryCalls } from './peer-server.ts';
import { Failure_Kind as Kind } from './proto/interop_pb.ts';

const { part: program = '', skip } = await obtainOrSkip('interop-rust');

for (const half of ['async', 'sync'] as const) {
  const rust = { name: `Rust (${half})`, command: [program, half] };

  describe(`${rust.name} server`, { skip }, () => {
    testUnaryCalls(rust);
    if (half === 'async') testStreams(rust);
    testFailures(rust, [
      ['a status', Kind.STATUS, Code.FailedPrecondition, /^told$/],
      ['a plain error', Kind.PLAIN, Code.Unknown, /^Others\("told"\)$/],
      // Go closes the connection; the crate takes InvalidArgument for what is too large.
      ['an answer above 4 MiB', Kind.OVERSIZE_REPLY, Code.InvalidArgument, /419431\d.* exceed/],
    ]);

    test(`our client gets InvalidArgument for a service that a ${rust.name} server lacks`, async () => {
      await using stack = new AsyncDisposableStack();
      const socket = stack.use(await makeSocketDir()).socket();
      stack.use(await startPeerServer(rust.command, socket));
      const client = createClient(EchoService, stack.use(await connect({ path: socket })));
      const message = /EchoService.* does not exist$/;
      await assert.rejects(client.echo({}), { code: Code.InvalidArgument, message });
    });
  });
}
