import { readdirSync } from 'node:fs';
import { errnoOf, SluiceError } from '../../errors.js';
import { printable } from '../../layer/path.js';
import type { SidecarEntry } from '../../oci/sidecar.js';
import { RealTree } from '../../rootfs/real-tree.js';
import { readSidecarFile } from '../../rootfs/sidecar-file.js';
import type { CheckedLayer, CheckTask, LayerProblem } from '../../transfer/check-task.js';
import { openControl } from '../../transfer/control.js';
import { checkAttributes, checkContent, checkStat, type Report } from './check-entry.js';

/** So many problems are told in full. */
const FIRST = 20;

/**
 * Holds a layer's directory against its sidecar: every name and no other, and of each its type, size, mode, time, links,
 * target, and unless `quick` attributes and content. What can't be read is a problem of the layer.
 * @throws SluiceError ABORTED
 */
export function checkLayer({ layer, quick, control }: CheckTask): CheckedLayer {
  const { isAborted } = openControl(control);
  const problems = createProblems();
  const found = { entries: 0, bytes: 0 };
  const children = new Map<string, number>([['', 0]]);
  const gone = new Set<string>();
  try {
    using tree = new RealTree(layer.directory);
    for (const item of readSidecarFile(layer.sidecar)) {
      if (isAborted()) throw new SluiceError('ABORTED', { message: 'verifying: cancelled', layer: layer.digest });
      if (item.kind !== 'entry') continue;
      found.entries++;
      count(children, item);
      const report = problems.of(item.path);
      const isThere = orReport(report, () => {
        if (!checkStat(tree, item, report) || quick) return;
        checkAttributes(tree, item, layer.stat, report);
        if (item.hardLink === null) found.bytes += checkContent(tree, item, report);
      });
      if (!isThere) gone.add(parentOf(item.path.toString('latin1')));
    }
    const odd = [...children]
      .filter(([path, expected]) => gone.has(path) || countNames(tree, path) !== expected)
      .map(([path]) => path);
    if (odd.length > 0) reportExtras(tree, layer.sidecar, new Set(odd), problems);
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'ABORTED') throw error;
    problems.of(Buffer.alloc(0))('sidecar', undefined, error instanceof Error ? error.message : String(error));
  }
  return { ...found, ...problems.list() };
}

/** Names below each directory, as the sidecar has them. */
function count(children: Map<string, number>, { path, type }: SidecarEntry): void {
  const key = path.toString('latin1');
  if (type === 'dir' && !children.has(key)) children.set(key, 0);
  if (path.length === 0) return;
  const parent = parentOf(key);
  children.set(parent, (children.get(parent) ?? 0) + 1);
}

function parentOf(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf('/')));
}

/** A directory that is missing or something else is told of as an entry. */
function countNames(tree: RealTree, path: string): number | null {
  return namesIn(tree, path)?.length ?? null;
}

function namesIn(tree: RealTree, path: string): readonly Buffer[] | null {
  try {
    return readdirSync(`/proc/self/fd/${tree.directory(Buffer.from(path, 'latin1'))}/.`, { encoding: 'buffer' });
  } catch {
    return null;
  }
}

/** In directories whose number of names is wrong: those that the sidecar does not have. */
function reportExtras(tree: RealTree, sidecar: string, odd: ReadonlySet<string>, problems: Problems): void {
  const known = new Map([...odd].map((path) => [path, new Set<string>()]));
  for (const item of readSidecarFile(sidecar)) {
    const key = item.path.toString('latin1');
    if (item.kind === 'entry' && key !== '') known.get(parentOf(key))?.add(key.slice(key.lastIndexOf('/') + 1));
  }
  for (const [path, names] of known) {
    for (const name of namesIn(tree, path) ?? []) {
      const isKnown = names.has(name.toString('latin1'));
      if (!isKnown) problems.of(Buffer.concat([Buffer.from(path === '' ? '' : `${path}/`, 'latin1'), name]))('extra');
    }
  }
}

/** @returns false for an entry that is not there */
function orReport(report: Report, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    const isGone = errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP';
    report(isGone ? 'missing' : 'unreadable', undefined, errno);
    return !isGone;
  }
}

interface Problems {
  of(path: Buffer): Report;
  list(): Pick<CheckedLayer, 'problems' | 'first'>;
}

function createProblems(): Problems {
  const first: LayerProblem[] = [];
  let problems = 0;
  return {
    of: (path) => (kind, expected, got) => {
      if (++problems > FIRST) return;
      const entry = path.length === 0 ? '.' : printable(path);
      first.push({ kind, entry, ...(expected !== undefined && { expected }), ...(got !== undefined && { got }) });
    },
    list: () => ({ problems, first }),
  };
}
