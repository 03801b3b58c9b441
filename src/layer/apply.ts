import { SluiceError, type ErrorDetail } from '../errors.js';
import { Batch } from './batch.js';
import { FLAG, KIND, OP, WORD } from './commands.js';
import { createDeferredLinks, type DeferredLinks } from './deferred.js';
import type { Meter } from './meter.js';
import { cleanName, entryNamed } from './path.js';
import { LONGEST_PLAIN_BYTES, type PlainMembers } from './plain.js';
import { decide, hasMarkerDirectory, isAufs, type Decision } from './rules.js';
import type { Stage } from './stage.js';
import type { Entry, Span } from './tar/entry.js';
import { createTarReader, type TarHandler, type TarReader } from './tar/reader.js';
import type { Metadata, Tree, TreeListener } from './tree.js';
import type { Warnings } from './warnings.js';
import { createWhiteouts, type Whiteouts } from './whiteouts.js';
import { mostPackedBytes, packXattrs, type PackedXattrs } from './xattrs.js';

export interface ApplyOptions {
  readonly tree: Tree;
  readonly meter: Meter;
  /** Limit of one meta header (B5). */
  readonly maxMetaBytes: number;
  /** Whether attributes that need privileges are set (M15). */
  readonly isPrivileged: boolean;
  readonly warnings: Warnings;
}

/** The stage that turns tar bytes into the layer's tree. */
export interface Apply extends Stage {
  /** Entries of the archive so far. */
  readonly entries: number;
  /** Whether links into lower layers wait for composing (H6). */
  readonly composeRequired: boolean;
}

const ROOT_METADATA: Metadata = { mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNs: 0 };

export function createApply(options: ApplyOptions): Apply {
  return new Applier(options);
}

class Applier implements Apply, TarHandler, TreeListener {
  readonly #tree: Tree;
  readonly #meter: Meter;
  readonly #isPrivileged: boolean;
  readonly #warnings: Warnings;
  readonly #reader: TarReader;
  readonly #links: DeferredLinks;
  readonly #whiteouts: Whiteouts;
  readonly #plain: PlainMembers;
  readonly #batch = new Batch();
  #slab: Uint8Array = new Uint8Array(0);

  entries = 0;
  composeRequired = false;
  #hasRoot = false;
  /** Whether the current entry's data are written, and whether its last command is in the batch. */
  #isWriting = false;
  #isOpenInBatch = false;
  #hasData = false;
  #offset = 0;
  /** Offset of the open file's command, for the command that finishes it. */
  #index = 0;

  constructor({ tree, meter, maxMetaBytes, isPrivileged, warnings }: ApplyOptions) {
    this.#tree = tree;
    this.#meter = meter;
    this.#isPrivileged = isPrivileged;
    this.#warnings = warnings;
    this.#reader = createTarReader(this, maxMetaBytes);
    this.#plain = tree.plainMembers();
    this.#links = createDeferredLinks({ tree, meter, warnings });
    this.#whiteouts = createWhiteouts(tree);
    tree.listener = this;
  }

  push(bytes: Uint8Array): void {
    this.#slab = bytes;
    try {
      this.#reader.push(bytes);
    } finally {
      this.#flush(); // also before a refusal: a fault of the entries before it comes first, wherever the pushes end
    }
  }

  end(): void {
    this.#reader.end();
    this.composeRequired = this.#links.finish(this.#whiteouts.isLeftOut);
    this.#whiteouts.finish();
    if (!this.#hasRoot) this.#tree.setRoot(ROOT_METADATA);
  }

  header(): void {
    this.#meter.header();
  }

  implied(): void {
    this.#meter.header();
  }

  beforeRemoval(path: Uint8Array): void {
    this.#links.beforeRemoval(path);
  }

  beforeImplied(): boolean {
    return this.#links.makeWaiting();
  }

  warn(rule: string, message: string, offset: number): void {
    this.#warnings.add(rule, message, null, offset);
  }

  takeMembers(bytes: Uint8Array, at: number, offset: number): number {
    const base = offset - at;
    for (let end = at; ;) {
      if (this.#batch.isFull || !this.#batch.fits(LONGEST_PLAIN_BYTES)) this.#flush();
      const next = this.#takePlain(bytes, end, base);
      if (next === end) return end;
      end = next;
    }
  }

  /** As many as one batch takes; none when they come near a limit, so that the entry that exceeds it is named. */
  #takePlain(bytes: Uint8Array, at: number, base: number): number {
    const batch = this.#batch;
    const { count, arenaLength } = batch;
    const end = this.#plain.read(batch, bytes, at, base, this.entries);
    if (end === at) return at;
    if (!this.#meter.admits(this.#plain)) {
      batch.count = count;
      batch.arenaLength = arenaLength;
      return at;
    }
    this.entries += this.#plain.entries;
    return end;
  }

  entry(entry: Entry): void {
    try {
      this.#begin(entry);
    } catch (error) {
      throw error instanceof SluiceError ? error.with(placeOf(entry)) : error;
    }
    this.#index = this.entries++;
  }

  data(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (!this.#isWriting) return;
    const batch = this.#batch;
    if (!this.#isOpenInBatch || this.#hasData) this.#addWrite();
    const at = batch.last;
    batch.set(at, WORD.DATA, start);
    batch.set(at, WORD.DATA_LENGTH, end - start);
    batch.set64(at, WORD.OFFSET, offset);
    this.#hasData = true;
    void bytes;
  }

  entryEnd(): void {
    if (!this.#isWriting) return;
    if (!this.#isOpenInBatch) this.#addWrite();
    const at = this.#batch.last;
    this.#batch.set(at, WORD.FLAGS, this.#batch.words[at + WORD.FLAGS]! | FLAG.LAST);
    this.#isWriting = false;
    this.#isOpenInBatch = false;
  }

  #addWrite(): void {
    if (this.#batch.isFull) this.#flush();
    this.#batch.add(OP.WRITE, this.#index, this.#offset);
    this.#isOpenInBatch = true;
    this.#hasData = false;
  }

  #flush(): void {
    if (this.#batch.count > 0) this.#tree.run(this.#batch, this.#slab);
    this.#isOpenInBatch = false;
  }

  #begin(entry: Entry): void {
    const batch = this.#batch;
    this.#reserve(entry);
    const start = batch.arenaLength;
    const length = cleanName(entry.name, batch.arena, start);
    batch.arenaLength += length;
    const end = start + length;
    const decision = decide(entry, batch.arena, start, end);
    this.#offset = entry.offset;
    switch (decision.kind) {
      case 'skip':
        this.#warnings.add(decision.rule, decision.why, batch.arena.subarray(start, end), entry.offset);
        return;
      case 'link':
        this.#readLink(entry, batch.arena.slice(start, end));
        return;
      case 'root':
        this.#hasRoot = true;
        break;
      case 'whiteout':
        this.#readWhiteout(entry, decision, batch.arena.slice(start, end));
        return;
      case 'file':
        this.#meter.file(entry.size);
        break;
      case 'placeholder':
      case 'directory':
      case 'symlink':
        break;
      default:
        decision satisfies never;
    }
    this.#noteOddNames(batch.arena, start, end, entry.offset);
    this.#encode(entry, decision, start, length);
  }

  #encode(
    entry: Entry,
    decision: Exclude<Decision, { kind: 'skip' | 'link' }>,
    pathStart: number,
    pathLength: number,
  ): void {
    const batch = this.#batch;
    const { op, kind, flags } = commandOf(decision);
    const at = batch.add(op, this.entries, entry.offset);
    batch.set(at, WORD.PATH, pathStart);
    batch.set(at, WORD.PATH_LENGTH, pathLength);
    batch.set(at, WORD.MODE, entry.mode);
    batch.set(at, WORD.UID, entry.uid);
    batch.set(at, WORD.GID, entry.gid);
    batch.set64(at, WORD.MTIME, entry.mtime);
    batch.set(at, WORD.MTIME_NS, entry.mtimeNs);
    batch.set(at, WORD.KIND, kind);
    batch.set(at, WORD.FLAGS, this.#tree.flags | flags);
    if (decision.kind === 'symlink') {
      batch.set(at, WORD.LINK, batch.copy(entry.link.bytes, entry.link.start, entry.link.end));
      batch.set(at, WORD.LINK_LENGTH, entry.link.end - entry.link.start);
    } else if (decision.kind === 'placeholder') {
      batch.set(at, WORD.DEV_MAJOR, entry.devMajor);
      batch.set(at, WORD.DEV_MINOR, entry.devMinor);
    } else if (decision.kind === 'file') {
      batch.set64(at, WORD.SIZE, entry.size);
      this.#isWriting = true;
      this.#isOpenInBatch = true;
      this.#hasData = false;
    }
    if (entry.xattrs.length > 0) this.#encodeXattrs(at, entry, decision);
  }

  #encodeXattrs(at: number, entry: Entry, decision: Decision): void {
    const canHold = decision.kind === 'file' || decision.kind === 'directory' || decision.kind === 'root';
    const { bytes, count } = this.#packXattrs(entry, canHold);
    this.#batch.set(at, WORD.XATTR, this.#batch.copy(bytes, 0, bytes.length));
    this.#batch.set(at, WORD.XATTR_COUNT, count);
  }

  #packXattrs(entry: Entry, canHold: boolean): PackedXattrs {
    const packed = packXattrs(entry.xattrs, { canHold, isPrivileged: this.#isPrivileged });
    for (const rule of packed.warnings) {
      this.#warnings.add(rule, 'an extended attribute is kept in the sidecar alone', bytesOf(entry.name), entry.offset);
    }
    return packed;
  }

  /** A whiteout ends the batch as well: what it hides is settled by its path as resolved now (N3, W4). */
  #readWhiteout(entry: Entry, decision: Decision & { kind: 'whiteout' }, path: Uint8Array): void {
    const batch = this.#batch;
    batch.arenaLength -= path.length;
    this.#flush();
    this.#noteOddNames(path, 0, path.length, entry.offset);
    const { canonical } = this.#tree.stat(path, true);
    this.#whiteouts.add(canonical);
    this.#reserve(entry, canonical.length);
    this.#encode(entry, decision, batch.copy(canonical, 0, canonical.length), canonical.length);
  }

  /** A link entry ends the batch: it must see the tree as it is (N10). */
  #readLink(entry: Entry, path: Uint8Array): void {
    this.#batch.arenaLength -= path.length;
    this.#flush();
    const { link, offset } = entry;
    const target = new Uint8Array(link.end - link.start);
    const length = cleanName(link, target, 0);
    const metadata = { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime, mtimeNs: entry.mtimeNs };
    this.#noteOddNames(path, 0, path.length, offset);
    // What it will be of is not known yet; the writer keeps what the inode cannot hold.
    const xattrs = this.#packXattrs(entry, true);
    this.#links.read({ target: target.subarray(0, length), path, metadata, xattrs, entry: this.entries, offset });
  }

  #noteOddNames(path: Uint8Array, start: number, end: number, offset: number): void {
    if (isAufs(path, start, end)) {
      this.#whiteouts.addAufs(path.subarray(start, end));
      this.#warnings.add('W7', "AUFS's own bookkeeping is left out", path.subarray(start, end), offset);
    } else if (hasMarkerDirectory(path, start, end)) {
      this.#warnings.add('W6', 'a directory is named like a whiteout', path.subarray(start, end), offset);
    }
  }

  /** Makes sure that the entry's names and attributes, and `more` bytes, fit the arena, and its command the batch. */
  #reserve({ name, link, xattrs }: Entry, more = 0): void {
    const length = name.end - name.start + link.end - link.start + mostPackedBytes(xattrs) + more;
    if (this.#batch.isFull || !this.#batch.fits(length)) this.#flush();
    if (!this.#batch.fits(length)) this.#batch.grow(length);
  }
}

function commandOf(decision: Exclude<Decision, { kind: 'skip' | 'link' }>): {
  op: number;
  kind: number;
  flags: number;
} {
  switch (decision.kind) {
    case 'file':
      return COMMANDS.file;
    case 'whiteout':
      return COMMANDS.whiteout;
    case 'placeholder':
      return { op: OP.FILE, kind: decision.as, flags: FLAG.LAST };
    case 'directory':
      return COMMANDS.directory;
    case 'root':
      return COMMANDS.root;
    case 'symlink':
      return COMMANDS.symlink;
    default:
      return decision satisfies never;
  }
}

const COMMANDS = {
  file: { op: OP.FILE, kind: KIND.FILE, flags: 0 },
  whiteout: { op: OP.FILE, kind: KIND.FILE, flags: FLAG.LAST | FLAG.MARKER },
  directory: { op: OP.DIR, kind: KIND.DIR, flags: 0 },
  root: { op: OP.DIR_META, kind: KIND.DIR, flags: 0 },
  symlink: { op: OP.SYMLINK, kind: KIND.SYMLINK, flags: 0 },
} as const;

function bytesOf({ bytes, start, end }: Span): Uint8Array {
  return bytes.subarray(start, end);
}

function placeOf({ name, offset }: Entry): Partial<ErrorDetail> {
  return { ...entryNamed(bytesOf(name)), offset };
}
