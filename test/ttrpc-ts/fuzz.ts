import { parseArgs } from 'node:util';
import { fuzz } from './fuzz/run.ts';

/** `node test/ttrpc-ts/fuzz.ts [--frames 1000000] [--seed N]`: random and mutated frames against server and client. */
const { values } = parseArgs({
  options: { frames: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed);
console.log(`seed ${seed}`);

let shown = 0;
const started = performance.now();
const { frames, calls, growth } = await fuzz({
  frames: Number(values.frames),
  seed,
  onProgress(done) {
    if (done - shown < 100_000) return;
    shown = done;
    console.log(`${done} frames, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB resident`);
  },
});
const seconds = Math.round((performance.now() - started) / 1000);
console.log(
  `${frames} frames in ${seconds} s; ${calls} calls beside them answered; memory grew by ${Math.round(growth / 1024)} KiB`,
);
if (growth > 16 * 2 ** 20) throw new Error('Memory is not flat');
