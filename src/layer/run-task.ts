import { fileSystemError, SluiceError } from '../errors.js';
import { native } from '../native.js';
import { completeLayers } from '../rootfs/complete.js';
import { composeLayers } from '../rootfs/compose.js';
import { findImplied } from '../rootfs/find-implied.js';
import { checkLayer } from '../store/check/check-layer.js';
import type { DiscardTask, Outcome, Task, TaskFacts } from '../transfer/protocol.js';
import { extractLayer } from './extract.js';
import { applyLayer, decodeLayer } from './halves.js';
import { createWarnings, type Warnings } from './warnings.js';

/** Does one task of the pool; synchronous from beginning to end. */
export function runTask(task: Task): Outcome<TaskFacts[Task['kind']]> {
  switch (task.kind) {
    case 'extract':
      return extractLayer(task);
    case 'decode':
      return decodeLayer(task);
    case 'apply':
      return applyLayer(task);
    case 'discard':
      return outcomeOf('removing what was left over', () => discard(task));
    case 'find-implied':
      return outcomeOf('reading the sidecars', () => findImplied(task));
    case 'complete':
      return outcomeOf('completing implied directories', () => completeLayers(task));
    case 'check':
      return outcomeOf('verifying a layer', () => checkLayer(task));
    case 'compose':
      return outcomeOf('composing an image', (warnings) => composeLayers(task, warnings));
    default:
      return task satisfies never;
  }
}

function discard({ paths }: DiscardTask): null {
  for (const path of paths) native().removeTree(Buffer.from(path));
  return null;
}

function outcomeOf<Facts>(doing: string, work: (warnings: Warnings) => Facts): Outcome<Facts> {
  const warnings = createWarnings();
  try {
    return { kind: 'done', facts: work(warnings), warnings: warnings.list() };
  } catch (error) {
    return { kind: 'failed', error: failureOf(doing, error).toData(), warnings: warnings.list() };
  }
}

function failureOf(doing: string, error: unknown): SluiceError {
  const isOfMachine = error instanceof SluiceError || (error instanceof Error && 'syscall' in error);
  if (isOfMachine) return fileSystemError(doing, error);
  return new SluiceError('LAYER_FAILED', `${doing}: ${String(error)}`, { cause: error });
}
