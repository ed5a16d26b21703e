import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { openTestHost } from '../harness/test-host.ts';

const scoreOf = (pid: number | 'self'): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));

const former = scoreOf('self');
/** None of what is configured. */
const OWN = 7;

before(() => writeFileSync('/proc/self/oom_score_adj', `${OWN}`));
after(() => writeFileSync('/proc/self/oom_score_adj', `${former}`));

describe("a host's daemons have the score for the OOM killer", () => {
  for (const [configured, expected] of [
    [undefined, 0],
    [321, 321],
    [1000, 1000],
  ]) {
    test(`${expected} where the configuration says ${configured ?? 'nothing'}, a prepared one too`, async () => {
      await using own = await openTestHost({
        config: configured === undefined ? {} : { daemon_oom_score_adj: configured },
      });
      for (const sandboxId of ['a', 'b']) {
        const share = await own.host.openShare({ sandboxId, tag: 'work' });
        await share.ready;
        assert.equal(scoreOf(share.pid), expected);
      }
      assert.equal(scoreOf('self'), OWN);
    });
  }
});
