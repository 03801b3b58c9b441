/** A worker that opens writers below `workerData`, closes none of them and ends. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { script, Tree } from './script.js';

const before = readdirSync('/proc/self/fd').length;
const trees = Array.from({ length: 10 }, (_, i) => {
  const folder = join(workerData as string, String(i));
  mkdirSync(folder);
  return new Tree({ after: () => {} }, { folder });
});
for (const tree of trees) tree.run(script().dir('d').file('d/f', 'x'));
parentPort!.postMessage(readdirSync('/proc/self/fd').length - before);
