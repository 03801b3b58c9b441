import { SluiceError } from '../errors.js';
import { KIND } from './commands.js';
import { printable } from './path.js';
import type { Found, Metadata, Tree } from './tree.js';
import type { Warnings } from './warnings.js';

/** A hard-link entry that waits for its link to be made. */
interface PendingLink {
  /** Canonical path of the target, or its cleaned name while nothing is there. */
  readonly target: Uint8Array;
  /** What the target is, one of the writer's kinds; 0 while nothing is there. */
  readonly kind: number;
  readonly path: Uint8Array;
  readonly metadata: Metadata;
  readonly entry: number;
  readonly offset: number;
}

export interface LinkEntry {
  /** Cleaned names; not kept. */
  readonly target: Uint8Array;
  readonly path: Uint8Array;
  readonly metadata: Metadata;
  readonly entry: number;
  readonly offset: number;
}

/** Hard links, collected while the layer is read and made in the second pass (H1 to H9). */
export interface DeferredLinks {
  read(link: LinkEntry): void;
  /** Makes the links whose target is there, in entry order; true when there were any (H3). */
  makeWaiting(): boolean;
  /** Second pass: all that is left. @returns paths of links whose target this layer does not have (H6) */
  finish(): ReadonlySet<string>;
}

/** A path as a key: names are bytes. */
export function keyOf(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1');
}

export function createDeferredLinks(tree: Tree, warnings: Warnings): DeferredLinks {
  /** By destination, in entry order: a later link of one name takes the place of an earlier one. */
  const waiting = new Map<string, PendingLink>();
  const forward = new Map<string, PendingLink>();
  const deferred = new Map<string, Uint8Array>();

  const makeWaiting = (): boolean => {
    if (waiting.size === 0) return false;
    const links = [...waiting.values()];
    waiting.clear();
    for (const link of links) {
      if (tree.link(link.target, link.path)) tree.setInodeMetadata(link.path, link.kind, link.metadata);
    }
    return true;
  };

  const findTarget = (link: LinkEntry): Found => {
    const found = tree.stat(link.target);
    return found.kind === 0 && makeWaiting() ? tree.stat(link.target) : found;
  };

  /** The link itself, its target when that is a forward link, and so on: to be made from the end. */
  const chainOf = (first: PendingLink): PendingLink[] => {
    const chain = new Map<string, PendingLink>();
    for (let link: PendingLink | undefined = first; link;) {
      const key = keyOf(link.path);
      if (chain.has(key)) throw refused('H9', 'it is a ring of hard links with no file in it', link);
      chain.set(key, link);
      const found = tree.stat(link.target);
      link = found.kind === 0 ? forward.get(keyOf(found.canonical)) : undefined;
    }
    return [...chain.values()].reverse();
  };

  const makeForward = (link: PendingLink): void => {
    const key = keyOf(link.path);
    forward.delete(key);
    if (tree.stat(link.path).kind !== 0) return; // a later entry made that name, and wins (H3)
    const found = tree.stat(link.target);
    if (found.kind === KIND.DIR) throw refused('H8', 'its target is a directory', link);
    if (found.kind !== 0) {
      tree.link(found.canonical, link.path);
      return;
    }
    const target = deferred.get(keyOf(found.canonical)) ?? found.canonical;
    deferred.set(key, target);
    tree.noteDeferred(link.path, target, link.metadata, link.entry);
    warnings.add('H6', 'a hard link waits for a lower layer', printable(link.path), link.offset);
  };

  return {
    makeWaiting,
    read(link) {
      const found = findTarget(link);
      if (found.kind === KIND.DIR) throw refused('H8', 'its target is a directory', link);
      const there = tree.stat(link.path, true);
      const key = keyOf(there.canonical);
      if (found.kind !== 0 && there.kind !== 0 && there.inode === found.inode) {
        makeWaiting();
        tree.setInodeMetadata(there.canonical, there.kind, link.metadata);
        return;
      }
      if (found.kind === 0 && keyOf(found.canonical) === key) throw refused('H9', 'it is a link to itself', link);
      waiting.delete(key);
      forward.delete(key);
      const pending = { ...link, path: there.canonical, target: found.canonical, kind: found.kind };
      if (there.kind !== 0 && found.kind !== 0 && isBelow(found.canonical, there.canonical)) {
        linkOutOfWay(tree, pending);
        return;
      }
      if (there.kind !== 0) tree.remove(there.canonical);
      (found.kind === 0 ? forward : waiting).set(key, pending);
    },
    finish() {
      makeWaiting();
      for (const first of forward.values()) for (const link of chainOf(first)) makeForward(link);
      return new Set(deferred.keys());
    },
  };
}

function isBelow(path: Uint8Array, directory: Uint8Array): boolean {
  return (
    path.length > directory.length &&
    path[directory.length] === 0x2f &&
    Buffer.compare(path.subarray(0, directory.length), directory) === 0
  );
}

/** The target lies in the directory that the link replaces: it is linked elsewhere first (H1). */
function linkOutOfWay(tree: Tree, { target, kind, path, metadata }: PendingLink): void {
  const temporary = Buffer.from(`.sluice-link-${process.hrtime.bigint().toString(36)}`);
  tree.link(target, temporary);
  tree.remove(path);
  tree.link(temporary, path);
  tree.remove(temporary);
  tree.setInodeMetadata(path, kind, metadata);
}

function refused(rule: string, why: string, { path, offset }: { path: Uint8Array; offset: number }): SluiceError {
  return new SluiceError('ENTRY_REFUSED', {
    message: `extracting the hard link "${printable(path)}": ${why}`,
    rule,
    entry: printable(path),
    entryBase64: Buffer.from(path).toString('base64'),
    offset,
  });
}
