import { SluiceError } from '../../errors.js';
import { endsInSlash, entryNamed } from '../path.js';
import { TYPE, type Entry } from './entry.js';
import { BLOCK, formatOf, isZeroBlock, readHeader, verifyChecksum } from './header.js';
import { malformed } from './numbers.js';
import { mergeXattrs, NO_XATTRS, parsePax, type PaxRecords } from './pax.js';
import {
  checkMap,
  createBodyMapParser,
  oldGnuRealSize,
  readOldGnuMap,
  readPaxSparse,
  sparseName,
  type BodyMapParser,
  type PaxSparse,
} from './sparse.js';

/** What is done with the members of an archive. */
export interface TarHandler {
  /** A member's headers are complete; its data follow, then {@link entryEnd}. */
  entry(entry: Entry): void;
  /** Stored bytes of the member: `bytes[start…end)`, which belong at `offset` of the file. */
  data(bytes: Uint8Array, start: number, end: number, offset: number): void;
  entryEnd(): void;
  /** Something legal but odd. @param rule id of the rule that warns */
  warn(rule: string, message: string, offset: number): void;
  /** Called for every header, meta headers included (B4). */
  header(): void;
  /**
   * May take whole members out of the reader's hands, from a header on that no meta header precedes.
   * @param offset of that header in the tar stream
   * @returns where in `bytes` the first header begins that it leaves to the reader: `at` when it takes none
   */
  takeMembers?(bytes: Uint8Array, at: number, offset: number): number;
}

export interface TarReader {
  push(bytes: Uint8Array): void;
  /** @throws SluiceError TAR_MALFORMED when the archive is cut off (T12) */
  end(): void;
}

type MetaKind = 'pax' | 'global' | 'long-name' | 'long-link';

/**
 * Reads v7, ustar, PAX, GNU, old GNU and star archives, as bytes. Where readers differ it follows Go's `archive/tar`, or
 * refuses: another reading than that of the tools which check images is a way to smuggle (rules T1 to T20).
 */
export function createTarReader(handler: TarHandler, maxMetaBytes: number): TarReader {
  return new Reader(handler, maxMetaBytes);
}

const NOTHING = new Uint8Array(0);

class Reader implements TarReader {
  readonly #handler: TarHandler;
  readonly #maxMetaBytes: number;
  #step: (bytes: Uint8Array, at: number) => number = this.#header;
  /** Offset in the stream of the first byte of the current push. */
  #base = 0;

  readonly #block = new Uint8Array(BLOCK);
  #blockLength = 0;
  readonly #joinedName = new Uint8Array(BLOCK);
  readonly #entry: Entry = {
    type: 0,
    name: { bytes: NOTHING, start: 0, end: 0 },
    link: { bytes: NOTHING, start: 0, end: 0 },
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    mtimeNs: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: NO_XATTRS,
    sparse: null,
    offset: 0,
  };

  #meta: Uint8Array = NOTHING;
  #metaLength = 0;
  #metaKind: MetaKind = 'pax';
  #pax: PaxRecords | null = null;
  #longName: Uint8Array | null = null;
  #longLink: Uint8Array | null = null;
  /** Whether `#entry.name` is that of the entry at hand. */
  #isNamed = false;

  /** Stored bytes still to come, then padding. */
  #left = 0;
  #padding = 0;
  #stored = 0;
  /** Current segment of a sparse file, and the bytes of it that are done. */
  #segment = 0;
  #segmentDone = 0;
  #fileOffset = 0;
  #oldMap: { offset: number; length: number }[] = [];
  #bodyMap: BodyMapParser = createBodyMapParser();
  /** Bytes of the sparse map so far, outside the entry's header (B5). */
  #mapBytes = 0;
  #realSize = 0;
  #zeroBlocks = 0;
  #hasJunk = false;

  constructor(handler: TarHandler, maxMetaBytes: number) {
    this.#handler = handler;
    this.#maxMetaBytes = maxMetaBytes;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at = this.#step(bytes, at);
    this.#base += bytes.length;
    if (this.#isNamed && this.#entry.name.bytes === bytes) this.#keepSpans();
  }

  end(): void {
    if (this.#step === this.#trailer) return;
    if (this.#step !== this.#header || this.#blockLength > 0) {
      throw this.#at(malformed('the archive is cut off', 'T12'), this.#base);
    }
    this.#refuseLooseMeta(this.#base);
  }

  /** Gathers a whole block. @returns its position in `bytes`, −1 in `#block`, or undefined when it is not complete */
  #take(bytes: Uint8Array, at: number): number | undefined {
    if (this.#blockLength === 0 && at + BLOCK <= bytes.length) return at;
    const length = Math.min(BLOCK - this.#blockLength, bytes.length - at);
    this.#block.set(bytes.subarray(at, at + length), this.#blockLength);
    this.#blockLength += length;
    return this.#blockLength === BLOCK ? -1 : undefined;
  }

  #header(bytes: Uint8Array, at: number): number {
    const had = this.#blockLength;
    if (had === 0 && this.#handler.takeMembers && this.#zeroBlocks === 0 && !this.#hasMeta()) {
      const next = this.#handler.takeMembers(bytes, at, this.#base + at);
      if (next > at) return next;
    }
    const found = this.#take(bytes, at);
    if (found === undefined) return bytes.length;
    const after = at + BLOCK - had;
    this.#blockLength = 0;
    if (found === -1) this.#headerBlock(this.#block, 0, this.#base + after - BLOCK);
    else this.#headerBlock(bytes, found, this.#base + found);
    return after;
  }

  #headerBlock(block: Uint8Array, at: number, offset: number): void {
    if (block[at] === 0 && isZeroBlock(block, at)) {
      this.#refuseLooseMeta(offset);
      if (++this.#zeroBlocks === 2) this.#step = this.#trailer;
      return;
    }
    if (this.#zeroBlocks > 0) throw this.#at(malformed('data after a single zero block', 'T11'), offset);
    try {
      this.#handler.header();
      verifyChecksum(block, at);
      readHeader(block, at, this.#entry, this.#joinedName);
      const meta = metaKindOf(this.#entry.type);
      if (meta) this.#beginMeta(meta, this.#entry.size, offset);
      else this.#beginEntry(block, at, offset);
    } catch (error) {
      throw this.#at(error, offset);
    }
  }

  #beginMeta(kind: MetaKind, size: number, offset: number): void {
    if (size > this.#maxMetaBytes) {
      throw new SluiceError('BUDGET_EXCEEDED', {
        message: `reading the tar: a meta header of ${size} bytes`,
        rule: 'B5',
        limit: { option: 'maxMetaBytes', value: this.#maxMetaBytes },
      });
    }
    const isRepeated =
      kind === 'pax' ? this.#pax : kind === 'long-name' ? this.#longName : kind === 'long-link' ? this.#longLink : null;
    if (isRepeated) this.#handler.warn('T19', 'a meta header replaces the one before it', offset);
    if (this.#meta.length < size) this.#meta = new Uint8Array(Math.max(size, 4096));
    this.#metaKind = kind;
    this.#metaLength = 0;
    this.#entry.offset = offset;
    this.#begin(size);
    this.#step = this.#metaBody;
    if (size === 0) this.#endMeta();
  }

  #begin(size: number): void {
    this.#left = size;
    this.#stored = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  #metaBody(bytes: Uint8Array, at: number): number {
    const length = Math.min(this.#left, bytes.length - at);
    this.#meta.set(bytes.subarray(at, at + length), this.#metaLength);
    this.#metaLength += length;
    this.#left -= length;
    if (this.#left === 0) this.#endMeta();
    return at + length;
  }

  #endMeta(): void {
    const { offset } = this.#entry;
    const body = this.#meta.subarray(0, this.#metaLength);
    try {
      switch (this.#metaKind) {
        case 'pax':
          this.#pax = parsePax(body);
          break;
        case 'global':
          if (parsePax(body).isMeaningful) this.#handler.warn('T8', 'a global PAX header is ignored', offset);
          break;
        case 'long-name':
          this.#longName = untilNul(body);
          break;
        case 'long-link':
          this.#longLink = untilNul(body);
          break;
        default:
          this.#metaKind satisfies never;
      }
    } catch (error) {
      throw this.#at(error, offset);
    }
    this.#step = this.#padding > 0 ? this.#skipPadding : this.#header;
  }

  #skipPadding(bytes: Uint8Array, at: number): number {
    const length = Math.min(this.#padding, bytes.length - at);
    this.#padding -= length;
    if (this.#padding === 0) this.#step = this.#header;
    return at + length;
  }

  #beginEntry(block: Uint8Array, at: number, offset: number): void {
    const entry = this.#entry;
    this.#isNamed = true;
    entry.offset = offset;
    entry.sparse = null;
    entry.xattrs = NO_XATTRS;
    this.#segment = 0;
    this.#segmentDone = 0;
    this.#fileOffset = 0;
    const pax = this.#pax;
    if (this.#longName) this.#override(entry.name, this.#longName, pax?.path);
    if (this.#longLink) this.#override(entry.link, this.#longLink, pax?.linkpath);
    if (pax) this.#applyPax(pax);
    if (!(entry.size >= 0) || entry.size === Infinity) throw malformed('a PAX record gives an impossible size', 'T2');
    if (entry.type === TYPE.OLD_FILE) entry.type = endsInSlash(entry.name) ? TYPE.DIRECTORY : TYPE.FILE;
    const sparse = pax ? this.#readPaxSparse(pax) : null;
    this.#pax = null;
    this.#longName = null;
    this.#longLink = null;

    if (entry.type === TYPE.GNU_SPARSE) return this.#beginOldGnuSparse(block, at);
    this.#begin(bodyLength(entry));
    if (sparse?.kind === 'in-body') {
      this.#realSize = sparse.realSize;
      this.#bodyMap = createBodyMapParser();
      this.#mapBytes = 0;
      this.#keepSpans();
      this.#expectBodyMap();
      this.#step = this.#sparseMapBlock;
      return;
    }
    if (sparse) {
      entry.sparse = checkMap(sparse.map, sparse.realSize, this.#stored);
      entry.size = sparse.realSize;
    }
    this.#announce();
  }

  #applyPax(pax: PaxRecords): void {
    const entry = this.#entry;
    if (pax.path) setSpan(entry.name, pax.path);
    if (pax.linkpath) setSpan(entry.link, pax.linkpath);
    if (pax.size !== undefined) entry.size = pax.size;
    if (pax.uid !== undefined) entry.uid = pax.uid;
    if (pax.gid !== undefined) entry.gid = pax.gid;
    if (pax.mtime) {
      entry.mtime = pax.mtime.seconds;
      entry.mtimeNs = pax.mtime.nanoseconds;
    }
    entry.xattrs = mergeXattrs(pax);
  }

  /**
   * GNU long name and PAX path of one entry must agree: readers differ in which they take (T7). An empty long name
   * counts as none, as in Go.
   */
  #override(span: Entry['name'], long: Uint8Array, pax: Uint8Array | undefined): void {
    if (long.length === 0) return;
    if (pax && Buffer.compare(long, pax) !== 0) throw malformed('an entry has two different long names', 'T7');
    setSpan(span, long);
  }

  #readPaxSparse(pax: PaxRecords): PaxSparse | null {
    const entry = this.#entry;
    const sparse = entry.type === TYPE.GNU_SPARSE ? null : readPaxSparse(pax);
    if (!sparse) return null;
    if (entry.type !== TYPE.FILE && entry.type !== TYPE.CONTIGUOUS) throw malformed('what is sparse is no file', 'T10');
    const name = sparseName(pax);
    if (name) setSpan(entry.name, name);
    return sparse;
  }

  #announce(): void {
    this.#handler.entry(this.#entry);
    if (this.#left > 0) this.#step = this.#body;
    else this.#endEntry();
  }

  #endEntry(): void {
    this.#isNamed = false;
    this.#handler.entryEnd();
    this.#step = this.#padding > 0 ? this.#skipPadding : this.#header;
  }

  #body(bytes: Uint8Array, at: number): number {
    const { sparse } = this.#entry;
    let length = Math.min(this.#left, bytes.length - at);
    let offset = this.#fileOffset;
    if (sparse) {
      const segment = sparse[this.#segment]!;
      length = Math.min(length, segment.length - this.#segmentDone);
      offset = segment.offset + this.#segmentDone;
      this.#segmentDone += length;
      if (this.#segmentDone === segment.length) {
        this.#segment++;
        this.#segmentDone = 0;
      }
    }
    this.#fileOffset += length;
    this.#left -= length;
    this.#handler.data(bytes, at, at + length, offset);
    if (this.#left === 0) this.#endEntry();
    return at + length;
  }

  #beginOldGnuSparse(block: Uint8Array, at: number): void {
    if (formatOf(block, at) !== 'gnu') throw malformed("a sparse file of star's form", 'T10');
    this.#begin(this.#entry.size);
    this.#oldMap = [];
    this.#mapBytes = 0;
    this.#realSize = oldGnuRealSize(block, at);
    this.#keepSpans();
    if (readOldGnuMap(block, at, this.#oldMap, 'header')) this.#step = this.#oldGnuExtension;
    else this.#endOldGnuMap();
  }

  #oldGnuExtension(bytes: Uint8Array, at: number): number {
    const had = this.#blockLength;
    const found = this.#take(bytes, at);
    if (found === undefined) return bytes.length;
    this.#blockLength = 0;
    try {
      this.#countMapBlock();
      const isLast = !readOldGnuMap(
        found === -1 ? this.#block : bytes,
        found === -1 ? 0 : found,
        this.#oldMap,
        'extension',
      );
      if (isLast) this.#endOldGnuMap();
    } catch (error) {
      throw this.#at(error, this.#entry.offset);
    }
    return at + BLOCK - had;
  }

  #endOldGnuMap(): void {
    const entry = this.#entry;
    entry.sparse = checkMap(this.#oldMap, this.#realSize, this.#stored);
    entry.size = this.#realSize;
    entry.type = TYPE.FILE;
    this.#announce();
  }

  #sparseMapBlock(bytes: Uint8Array, at: number): number {
    const had = this.#blockLength;
    const found = this.#take(bytes, at);
    if (found === undefined) return bytes.length;
    this.#blockLength = 0;
    this.#left -= BLOCK;
    try {
      const map = this.#bodyMap.push(found === -1 ? this.#block : bytes.subarray(found, found + BLOCK));
      if (map) {
        this.#entry.sparse = checkMap(map, this.#realSize, this.#left);
        this.#entry.size = this.#realSize;
        this.#announce();
      } else this.#expectBodyMap();
    } catch (error) {
      throw this.#at(error, this.#entry.offset);
    }
    return at + BLOCK - had;
  }

  #expectBodyMap(): void {
    this.#countMapBlock();
    if (this.#left < BLOCK) throw malformed('a sparse map is cut off', 'T10');
  }

  /** Every block counts, also one without a segment: a chain of those has no end of its own (T18). */
  #countMapBlock(): void {
    this.#mapBytes += BLOCK;
    if (this.#mapBytes <= this.#maxMetaBytes) return;
    throw new SluiceError('BUDGET_EXCEEDED', {
      message: 'reading the tar: a sparse map is too long',
      rule: 'B5',
      limit: { option: 'maxMetaBytes', value: this.#maxMetaBytes },
    });
  }

  /** Names of an entry whose header block is not at hand any more are kept beyond the push. */
  #keepSpans(): void {
    for (const span of [this.#entry.name, this.#entry.link]) setSpan(span, span.bytes.slice(span.start, span.end));
  }

  /** After the end mark: hashed by the stage before, never extracted (T11). */
  #trailer(bytes: Uint8Array, at: number): number {
    if (!this.#hasJunk) {
      for (let i = at; i < bytes.length; i++) {
        if (bytes[i] === 0) continue;
        this.#hasJunk = true;
        this.#handler.warn('T11', 'there are bytes after the end of the archive', this.#base + i);
        break;
      }
    }
    return bytes.length;
  }

  /** Whether meta headers wait for their entry. */
  #hasMeta(): boolean {
    return this.#pax !== null || this.#longName !== null || this.#longLink !== null;
  }

  #refuseLooseMeta(offset: number): void {
    if (!this.#hasMeta()) return;
    throw this.#at(malformed('a meta header has no entry after it', 'T7'), offset);
  }

  #at(error: unknown, offset: number): unknown {
    if (!(error instanceof SluiceError)) return error;
    const { bytes, start, end } = this.#entry.name;
    return error.with({ ...(this.#isNamed && entryNamed(bytes.subarray(start, end))), offset });
  }
}

function metaKindOf(type: number): MetaKind | null {
  switch (type) {
    case TYPE.PAX:
    case TYPE.SOLARIS_PAX:
      return 'pax';
    case TYPE.PAX_GLOBAL:
      return 'global';
    case TYPE.GNU_LONG_NAME:
      return 'long-name';
    case TYPE.GNU_LONG_LINK:
      return 'long-link';
    default:
      return null;
  }
}

/** Links, devices, directories and FIFOs have none, whatever their size says (T9). */
function bodyLength(entry: Entry): number {
  switch (entry.type) {
    case TYPE.LINK:
    case TYPE.SYMLINK:
    case TYPE.CHAR:
    case TYPE.BLOCK:
    case TYPE.DIRECTORY:
    case TYPE.FIFO:
      return 0;
    default:
      return entry.size;
  }
}

function setSpan(span: Entry['name'], bytes: Uint8Array): void {
  span.bytes = bytes;
  span.start = 0;
  span.end = bytes.length;
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(0);
  return bytes.slice(0, nul < 0 ? bytes.length : nul);
}
