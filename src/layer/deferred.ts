import { SluiceError } from '../errors.js';
import { KIND } from './commands.js';
import { entryNamed, keyOf, printable } from './path.js';
import type { Meter } from './meter.js';
import { createRemovals } from './removals.js';
import type { Found, Metadata, Tree } from './tree.js';
import type { Warnings } from './warnings.js';
import { NO_PACKED_XATTRS, type PackedXattrs } from './xattrs.js';

/** A hard-link entry that waits for its link to be made, kept by its destination's path. Paths are keys: see {@link keyOf}. */
interface PendingLink {
  /** Canonical path of the target, or its cleaned name while nothing is there. */
  readonly target: string;
  /** What the target is, one of the writer's kinds; 0 while nothing is there. */
  readonly kind: number;
  readonly path: string;
  readonly metadata: Metadata;
  readonly xattrs: PackedXattrs;
  readonly entry: number;
  readonly offset: number;
  /** When it was read, see {@link createRemovals}. */
  readonly since: number;
}

export interface LinkEntry {
  /** Cleaned names; not kept. */
  readonly target: Uint8Array;
  readonly path: Uint8Array;
  readonly metadata: Metadata;
  /** Added to those of the inode (H7). */
  readonly xattrs: PackedXattrs;
  readonly entry: number;
  readonly offset: number;
}

/** Hard links, collected while the layer is read and made in the second pass (H1 to H10). */
export interface DeferredLinks {
  read(link: LinkEntry): void;
  /** Makes the links whose target is there, in entry order; true when there were any (H3). */
  makeWaiting(): boolean;
  /** What is about to be replaced may be named by links that wait, or hold the place of links to come (H2, O3). */
  beforeRemoval(path: Uint8Array): void;
  /**
   * Second pass: all that is left.
   * @param isLeftOut whether a path is removed afterwards (W7), so that no lower layer need be asked for it
   * @returns whether a link stays whose target this layer does not have (H6)
   */
  finish(isLeftOut: (path: Uint8Array) => boolean): boolean;
}

export interface DeferredLinksOptions {
  readonly tree: Tree;
  /** Counts the copies that stand for links (H10). */
  readonly meter: Meter;
  readonly warnings: Warnings;
}

/**
 * More links than that don't wait, nor more bytes of names and attributes: they are made, as any removal would have had
 * them made. 250,000 links with names of 230 bytes took 193 MB.
 */
const MOST_WAITING = 65_536;
const MOST_WAITING_BYTES = 16 * 1024 * 1024;

function pathOf(key: string): Uint8Array {
  return Buffer.from(key, 'latin1');
}

export function createDeferredLinks({ tree, meter, warnings }: DeferredLinksOptions): DeferredLinks {
  /** By destination, in entry order. */
  const waiting = new Map<string, PendingLink>();
  let waitingBytes = 0;
  const forward = new Map<string, PendingLink>();
  const deferred = new Map<string, string>();
  /** Of names, while forward links were pending. */
  const removals = createRemovals();
  /** By inode: the copy that takes the links its file can't (H10). Inode numbers are good until something is removed. */
  const copies = new Map<bigint, Uint8Array>();

  /** @returns false when a later entry holds the name, or its way, and wins (H3) */
  const make = (target: Uint8Array, path: Uint8Array, offset: number): boolean => {
    const made = tree.link(target, path);
    if (made !== 'full') return made === 'made';
    if (tree.stat(path).kind !== 0) return false;
    const { inode, size } = tree.stat(target);
    const copy = copies.get(inode);
    if (copy && tree.link(copy, path) === 'made') return true;
    admitCopy(size, path, offset);
    tree.copy(copy ?? target, path);
    copies.set(inode, path);
    warnings.add('H10', 'a hard link is a copy, as its file can have no more names', path, offset);
    return true;
  };

  const admitCopy = (sizeBytes: number, path: Uint8Array, offset: number): void => {
    try {
      meter.file(sizeBytes);
    } catch (error) {
      throw error instanceof SluiceError ? error.with(placeOf(path, offset)) : error;
    }
  };

  const makeWaiting = (): boolean => {
    if (waiting.size === 0) return false;
    const links = [...waiting.values()];
    waiting.clear();
    waitingBytes = 0;
    for (const { target, path, offset, kind, metadata, xattrs } of links) {
      const name = pathOf(path);
      const named = pathOf(target);
      // The entry gives its metadata also when its name is lost to a later one, whatever the moment its link is made.
      tree.setInodeMetadata(make(named, name, offset) ? name : named, kind, metadata, xattrs);
    }
    return true;
  };

  const wait = (link: PendingLink): void => {
    waiting.set(link.path, link);
    waitingBytes += link.path.length + link.target.length + link.xattrs.bytes.length;
    if (waiting.size >= MOST_WAITING || waitingBytes >= MOST_WAITING_BYTES) makeWaiting();
  };

  /** Links a target elsewhere before its name goes (H1). @returns where it is kept */
  const keepAside = (target: Uint8Array, offset: number): Uint8Array => {
    const temporary = Buffer.from(`.sluice-link-${process.hrtime.bigint().toString(36)}`);
    make(target, temporary, offset);
    return temporary;
  };

  const makeOfKept = (kept: Uint8Array, kind: number, { path, metadata, xattrs, offset }: LinkEntry): void => {
    make(kept, path, offset);
    tree.remove(kept);
    tree.setInodeMetadata(path, kind, metadata, xattrs);
  };

  /** While the way to a link is made: its target, and where that is kept if the way takes its name (N6). */
  const onWay: { target: string | null; offset: number; kept: Uint8Array | null } = {
    target: null,
    offset: 0,
    kept: null,
  };

  /** What stands at the link's own name, the way to it made. */
  const findPlace = (link: LinkEntry, target: Found): { there: Found; kept: Uint8Array | null } => {
    onWay.target = target.kind === 0 ? null : keyOf(target.canonical);
    onWay.offset = link.offset;
    onWay.kept = null;
    const there = tree.stat(link.path, true);
    onWay.target = null;
    // A link that waits for this very name is about to be replaced, as if it were made (H2).
    const isWaiting = waiting.has(keyOf(there.canonical)) && makeWaiting();
    return { there: isWaiting ? tree.stat(there.canonical) : there, kept: onWay.kept };
  };

  const findTarget = (link: LinkEntry): Found => {
    const found = tree.stat(link.target);
    return found.kind === 0 && makeWaiting() ? tree.stat(link.target) : found;
  };

  /** The link itself, its target when that is a forward link, and so on: to be made from the end. */
  const chainOf = (first: PendingLink): PendingLink[] => {
    const chain = new Map<string, PendingLink>();
    for (let link: PendingLink | undefined = first; link;) {
      if (chain.has(link.path)) throw refused('H9', 'it is a ring of hard links with no file in it', link);
      chain.set(link.path, link);
      const found = tree.stat(pathOf(link.target));
      link = found.kind === 0 ? forward.get(keyOf(found.canonical)) : undefined;
    }
    return [...chain.values()].reverse();
  };

  const makeForward = (link: PendingLink, isLeftOut: (path: Uint8Array) => boolean): void => {
    forward.delete(link.path);
    const path = pathOf(link.path);
    if (tree.stat(path).kind !== 0) return; // a later entry made that name, and wins (H3)
    const found = tree.stat(pathOf(link.target));
    if (found.kind === KIND.DIR) throw refused('H8', 'its target is a directory', link);
    if (found.kind !== 0) {
      make(found.canonical, path, link.offset);
      return;
    }
    const target = deferred.get(keyOf(found.canonical)) ?? keyOf(found.canonical);
    deferred.set(link.path, target);
    if (isLeftOut(path)) return;
    tree.noteDeferred(path, pathOf(target), link.metadata, link.entry);
    warnings.add('H6', 'link.deferred: a hard link waits for a lower layer', path, link.offset);
  };

  return {
    makeWaiting,
    beforeRemoval(path) {
      makeWaiting();
      copies.clear();
      if (onWay.target === keyOf(path)) onWay.kept = keepAside(path, onWay.offset);
      if (forward.size > 0) removals.add(path);
    },
    read(link) {
      const found = findTarget(link);
      const path = keyOf(link.path);
      if (found.kind === KIND.DIR) throw refused('H8', 'its target is a directory', { path, offset: link.offset });
      const { there, kept } = findPlace(link, found);
      const key = keyOf(there.canonical);
      if (kept) return makeOfKept(kept, found.kind, { ...link, path: there.canonical });
      if (found.kind !== 0 && there.kind !== 0 && there.inode === found.inode) {
        makeWaiting();
        tree.setInodeMetadata(there.canonical, there.kind, link.metadata, link.xattrs);
        return;
      }
      const target = keyOf(found.canonical);
      if (found.kind === 0 && target === key)
        throw refused('H9', 'it is a link to itself', { path, offset: link.offset });
      forward.delete(key);
      if (there.kind !== 0 && found.kind !== 0 && target.startsWith(`${key}/`)) {
        const aside = keepAside(found.canonical, link.offset);
        tree.remove(there.canonical);
        return makeOfKept(aside, found.kind, { ...link, path: there.canonical });
      }
      if (there.kind !== 0) tree.remove(there.canonical);
      if (found.kind === 0 && link.xattrs.count > 0) {
        const why = 'attributes of a hard link that comes before its file are left out';
        warnings.add('H7', why, link.path, link.offset);
      }
      const { metadata, entry, offset } = link;
      const pending = { path: key, target, kind: found.kind, metadata, entry, offset, since: removals.now };
      if (found.kind === 0) forward.set(key, { ...pending, xattrs: NO_PACKED_XATTRS });
      else wait({ ...pending, xattrs: link.xattrs });
    },
    finish(isLeftOut) {
      makeWaiting();
      // A link whose directory was removed would have gone with it (O3).
      for (const { path, since } of forward.values()) if (removals.hasAbove(path, since)) forward.delete(path);
      for (const first of forward.values()) for (const link of chainOf(first)) makeForward(link, isLeftOut);
      return [...deferred.keys()].some((path) => !isLeftOut(pathOf(path)));
    },
  };
}

function placeOf(path: Uint8Array, offset: number): { entry: string; entryBase64: string; offset: number } {
  return { ...entryNamed(path), offset };
}

function refused(rule: string, why: string, { path, offset }: { path: string; offset: number }): SluiceError {
  const name = pathOf(path);
  return new SluiceError('ENTRY_REFUSED', {
    message: `extracting the hard link "${printable(name)}": ${why}`,
    rule,
    ...placeOf(name, offset),
  });
}
