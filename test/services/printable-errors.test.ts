import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, createClient, connect } from 'ttrpc-ts';
import { Task } from '../../src/proto/containerd/task_pb.ts';
import { eventually } from '../harness/eventually.ts';
import { serveTestHost } from '../harness/test-host.ts';

const CLEAR = '\u001b[2J';
const SHOWN = String.raw`\x1b[2J`;

describe('printableErrors()', () => {
  test("escapes a daemon's words in errors, status and log", async () => {
    await using own = await serveTestHost({ daemon: 'shouts-and-exits' });
    const share = await own.host.openShare({ sandboxId: 'a', tag: 'work' });
    await assert.rejects(share.ready, ({ message }: Error) => {
      assert.ok(message.endsWith(String.raw`${SHOWN}cannot open:\x0d all is well`), message);
      return true;
    });
    const said = own.captured.lines.find(({ source }) => source === 'virtiofsd');
    assert.equal(said?.msg.startsWith(SHOWN), true);
    assert.equal(share.status().lastLines[0]?.startsWith(SHOWN), true);
  });

  test('escapes the ids, paths and tags of a caller in the answers to it', async () => {
    await using own = await serveTestHost({
      config: { shares: [{ tag: 'x', source: `/nonexistent/${CLEAR}` }] },
    });
    await using transport = await connect({ path: own.address });
    const task = createClient(Task, transport);
    for (const [call, code] of [
      [() => own.client.sandboxStatus({ sandboxId: `a${CLEAR}` }), Code.InvalidArgument],
      [() => task.state({ id: `a${CLEAR}` }), Code.NotFound],
      [() => own.client.createSandbox({ sandboxId: 'a' }), Code.NotFound],
    ] as const) {
      await assert.rejects(call, (error: Error & { code?: unknown }) => {
        assert.equal(error.code, code);
        assert.ok(error.message.includes(SHOWN), error.message);
        assert.equal(error.message.includes(CLEAR), false);
        return true;
      });
    }
  });

  test('escapes what is left in a mark of a deletion', async () => {
    await using own = await serveTestHost();
    const mark = join(own.host.stateDir.deletionDirectory, `default:${CLEAR}`);
    writeFileSync(mark, '');
    await eventually('the mark tells why', () => readFileSync(mark, 'utf8').length > 0);
    assert.match(readFileSync(mark, 'utf8'), /^Invalid sandbox id "\\x1b\[2J": /);
    rmSync(mark);
  });
});
