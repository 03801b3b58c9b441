import runTask from '../../workers/layer.js';
import type { Task } from '../../src/transfer/protocol.js';

/** As the pool's own worker, but the thread of the half that the media type names ends at once, without a word, or uses up all memory. */
export default function runUntilDeath(task: Task): unknown {
  if ('mediaType' in task && task.mediaType === `dies: ${task.kind}`) process.exit(3);
  if ('mediaType' in task && task.mediaType === 'hoards') hoard();
  return runTask(task);
}

function hoard(): void {
  const kept: string[][] = [];
  for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => `${kept.length} ${index}`));
}
