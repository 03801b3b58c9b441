/**
 * The process in which cases run: `node case-loop.js TARGET FIRST_SEED COUNT SECONDS`. It writes the number of each case
 * before it begins, so that whoever watches knows the one that hangs or crashes. Node never gets a turn between two cases,
 * as in a worker of the pool: what only a turn would free shows as memory.
 */
import { writeSync } from 'node:fs';
import { openTarget, parseTarget } from './targets.js';

const [name, first, count, seconds] = process.argv.slice(2);
const undo: (() => void | Promise<void>)[] = [];
const target = openTarget(parseTarget(name), { after: (step) => void undo.push(step) });
const deadline = performance.now() + Number(seconds) * 1000;
const WARM_UP_CASES = 300;

let rssBefore = 0;
try {
  for (let done = 0; done < Number(count) && performance.now() < deadline; done++) {
    const seed = (Number(first) + done) >>> 0;
    writeSync(1, `case ${seed}\n`);
    if (done === WARM_UP_CASES) rssBefore = process.resourceUsage().maxRSS;
    target.run(seed);
  }
  writeSync(1, `grown ${rssBefore === 0 ? 0 : process.resourceUsage().maxRSS - rssBefore}\n`);
} finally {
  for (const step of undo) await step();
}
