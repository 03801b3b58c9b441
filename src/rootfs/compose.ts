import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileSystemError, SluiceError } from '../errors.js';
import { createMeter, type Meter } from '../layer/meter.js';
import { flagsOf, SIDECAR, syncFileSystem, TREE, withinBudget } from '../layer/staged-layer.js';
import { Tree } from '../layer/tree.js';
import { readUmask } from '../layer/umask.js';
import type { Warnings } from '../layer/warnings.js';
import { native } from '../native.js';
import type { SidecarDeferred, SidecarEntry, SidecarItem } from '../oci/sidecar.js';
import { openControl } from '../transfer/control.js';
import type { ComposeTask, LayerPlace } from '../transfer/rootfs-tasks.js';
import { openUsage } from '../transfer/usage.js';
import { completeLayers } from './complete.js';
import { Feed } from './feed.js';
import { HeldLinks } from './held-links.js';
import { hideBelow } from './hide.js';
import { InodeNames } from './inode-names.js';
import { foldedMarker, type Marker, readMarker } from './markers.js';
import { namingEntry } from './naming-entry.js';
import { RealTree } from './real-tree.js';
import { hasImpliedDirectories, readSidecarFile } from './sidecar-file.js';

/**
 * Builds one root file system of an image's layers, bottom to top, with the writer that extracts layers (W8): so names
 * are resolved in the composed root alone (N3, E26), and its sidecar comes with it.
 * @throws SluiceError; errors of the machine. What was made by then is the caller's to remove
 */
export function composeLayers(task: ComposeTask, warnings: Warnings): null {
  const addon = native();
  const root = join(task.staging, TREE);
  const sidecar = join(task.staging, SIDECAR);
  const stat = task.layers.at(-1)?.stat ?? 'containers';
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const writer = addon.writerOpen(Buffer.from(root), Buffer.from(task.staging), task.walk, readUmask(), task.folds, 0);
  try {
    const tree = new Tree(addon, writer, warnings, flagsOf({ stat, privilegedXattrs: false }));
    tree.setRoot({ mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNs: 0 });
    const { isAborted } = openControl(task.control);
    const throwIfAborted = (): void => {
      if (isAborted()) throw new SluiceError('ABORTED', 'composing an image: cancelled');
    };
    tree.throwIfAborted = throwIfAborted;
    const usage = openUsage();
    const meterOf = (): Meter => createMeter(task.budget, usage, 'composing the layer');
    for (const [index, layer] of task.layers.entries())
      composeLayer(layer, { tree, root, isBottom: index === 0, meter: meterOf(), throwIfAborted });
    const head = Buffer.from(`#mtree\n#sluice.rootfs v=1 stat=${stat}\n`);
    const most = task.budget.maxUnpackedBytes;
    withinBudget(most, 'composing an image', () => addon.writerFinish(writer, Buffer.from(sidecar), head, most));
  } finally {
    addon.writerClose(writer);
  }
  // Directories that nothing but names of their children made: they are what P3 calls them when no layer has them.
  if (hasImpliedDirectories(sidecar)) {
    const itself = { digest: 'composed', directory: root, sidecar, stat };
    completeLayers({ kind: 'complete', layers: [itself], implied: [itself.digest], sync: null });
  }
  if (task.sync) syncFileSystem(task.staging, task.sync);
  return null;
}

interface Composing {
  readonly tree: Tree;
  readonly root: string;
  readonly isBottom: boolean;
  /** Of the layer (B2 to B4): links into lower layers are copies, so that a root can be larger than its layers. */
  readonly meter: Meter;
  readonly throwIfAborted: () => void;
}

function composeLayer(layer: LayerPlace, composing: Composing): void {
  try {
    const links = new HeldLinks(composing.tree, composing.meter);
    const items = (): Iterable<SidecarItem> => readSidecarFile(layer.sidecar);
    const { deferred, markers } = readLookups(items());
    links.hold(deferred);
    if (!composing.isBottom && markers.length > 0) hideBelow(markers, { ...composing, items, spared: links.directory });
    layOver(layer, items(), links, composing);
    links.release();
  } catch (error) {
    const isOfMachine = error instanceof SluiceError || (error instanceof Error && 'syscall' in error);
    throw isOfMachine ? fileSystemError('composing a layer', error).with({ layer: layer.digest }) : error;
  }
}

/** What of a layer is looked up in the tree below before anything of the layer applies. */
function readLookups(items: Iterable<SidecarItem>): {
  readonly deferred: readonly SidecarDeferred[];
  readonly markers: readonly Marker[];
} {
  const deferred: SidecarDeferred[] = [];
  const markers: Marker[] = [];
  for (const item of items) {
    if (item.kind === 'deferred') deferred.push(item);
    else {
      const marker = item.isFolded ? foldedMarker(item) : readMarker(item);
      if (marker) markers.push(marker);
    }
  }
  return { deferred, markers };
}

function layOver(layer: LayerPlace, items: Iterable<SidecarItem>, links: HeldLinks, composing: Composing): void {
  const { tree, isBottom, meter, throwIfAborted } = composing;
  using source = new RealTree(layer.directory);
  const feed = new Feed(tree, throwIfAborted);
  const names = new InodeNames(tree, meter);
  tree.listener = names;
  for (const item of items) {
    throwIfAborted();
    if (item.kind === 'entry' && isSilent(item, isBottom)) continue;
    namingEntry(item.path, () => meter.header());
    if (item.kind === 'deferred') {
      feed.flush();
      links.make(item);
    } else layEntry(item, { feed, source, names, meter });
  }
  feed.flush();
  tree.listener = null;
}

interface Laying {
  readonly feed: Feed;
  readonly source: RealTree;
  readonly names: InodeNames;
  readonly meter: Meter;
}

function layEntry(entry: SidecarEntry, { feed, source, names, meter }: Laying): void {
  const lay = (): void => {
    if (entry.type === 'file') namingEntry(entry.path, () => meter.file(entry.size));
    feed.add(entry, source);
  };
  if (entry.names === 1) return lay();
  feed.flush();
  if (entry.hardLink && names.link(entry.hardLink, entry.path)) return;
  lay();
  feed.flush();
  names.laid(entry.hardLink ?? entry.path, entry.path);
}

/**
 * Whether an entry makes nothing: markers; implied directories, which their children make where they are needed, so
 * that one with nothing but markers is not made (W9), a directory of a lower layer keeps what it has (P4), and a symlink
 * stays (P5); and a root that no entry gave anything (M3).
 */
function isSilent(entry: SidecarEntry, isBottom: boolean): boolean {
  if (entry.isImplied || readMarker(entry)) return true;
  return !isBottom && entry.path.length === 0 && isDefaultRoot(entry);
}

function isDefaultRoot({ mode, uid, gid, mtime, mtimeNs, xattrs }: SidecarEntry): boolean {
  return mode === 0o755 && [uid, gid, mtime, mtimeNs, xattrs.length].every((number) => number === 0);
}
