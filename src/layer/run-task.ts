import { fileSystemError } from '../errors.js';
import { native } from '../native.js';
import type { DiscardTask, Outcome, Task } from '../transfer/protocol.js';
import { extractLayer } from './extract.js';

/** Does one task of the pool; synchronous from beginning to end. */
export function runTask(task: Task): Outcome {
  switch (task.kind) {
    case 'extract':
      return extractLayer(task);
    case 'discard':
      return discard(task);
    default:
      return task satisfies never;
  }
}

function discard({ paths }: DiscardTask): Outcome {
  try {
    for (const path of paths) native().removeTree(Buffer.from(path));
    return { kind: 'done', facts: { unpackedBytes: 0, entries: 0, composeRequired: false }, warnings: [] };
  } catch (error) {
    return { kind: 'failed', error: fileSystemError('removing what was left over', error).toData(), warnings: [] };
  }
}
