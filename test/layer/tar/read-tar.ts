import { SluiceError } from '../../../src/errors.js';
import type { Entry, Span } from '../../../src/layer/tar/entry.js';
import { createTarReader } from '../../../src/layer/tar/reader.js';

/** One member, copied out of the reader's hands. Names are latin1, so that every byte is one character. */
export interface Member {
  readonly type: string;
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly device: readonly [number, number];
  readonly xattrs: readonly (readonly [string, string])[];
  readonly isSparse: boolean;
  readonly offset: number;
  /** Stored bytes by their place in the file, neighbours joined. */
  readonly segments: readonly { readonly offset: number; readonly bytes: string }[];
}

/** All that a reader said of an archive. */
export interface Reading {
  readonly members: readonly Member[];
  /** `RULE@OFFSET`, in order. */
  readonly warnings: readonly string[];
  readonly headers: number;
  /** `done`, or code, rule and offset of the refusal. */
  readonly verdict: string;
  /** What the refusal names, in base64. */
  readonly refused: string | undefined;
}

export interface ReadOptions {
  /** Sizes of the pushes, used again and again; everything at once when left out. */
  readonly chunks?: readonly number[];
  readonly maxMetaBytes?: number;
}

/** Reads an archive through one buffer that is spoilt after each push, as the decoder's slab is. */
export function readTar(
  tar: Uint8Array,
  { chunks = [tar.length], maxMetaBytes = 1024 * 1024 }: ReadOptions = {},
): Reading {
  const members: Member[] = [];
  const warnings: string[] = [];
  let headers = 0;
  let refused: string | undefined;
  let open: { segments: { offset: number; bytes: string }[] } | null = null;
  const reader = createTarReader(
    {
      entry: (entry) => {
        if (open) throw new Error('an entry begins inside another');
        open = { segments: [] };
        members.push(Object.assign(open, memberOf(entry)));
      },
      data: (bytes, start, end, offset) => {
        if (!open || end <= start) throw new Error('data without an entry, or none');
        const text = Buffer.from(bytes.subarray(start, end)).toString('latin1');
        const last = open.segments.at(-1);
        if (last && last.offset + last.bytes.length === offset) last.bytes += text;
        else open.segments.push({ offset, bytes: text });
      },
      entryEnd: () => {
        if (!open) throw new Error('an entry ends twice');
        open = null;
      },
      warn: (rule, _message, offset) => void warnings.push(`${rule}@${offset}`),
      header: () => void headers++,
    },
    maxMetaBytes,
  );
  const read = (): void => {
    for (let at = 0, turn = 0; at < tar.length; turn++) {
      const chunk = Uint8Array.from(tar.subarray(at, at + chunks[turn % chunks.length]!));
      reader.push(chunk);
      at += chunk.length;
      chunk.fill(0xee);
    }
    reader.end();
    if (open) throw new Error('the last entry does not end');
  };
  const verdict = verdictOf(() => {
    try {
      read();
    } catch (error) {
      if (error instanceof SluiceError) refused = error.detail.entryBase64;
      throw error;
    }
  });
  return { members, warnings, headers, verdict, refused };
}

/** `done`, or code, rule and offset of the typed error that the step throws; any other error goes on. */
export function verdictOf(step: () => unknown): string {
  try {
    step();
    return 'done';
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { rule, offset } = error.detail;
    return `${error.code}${rule === undefined ? '' : ` ${rule}`}${offset === undefined ? '' : ` @${offset}`}`;
  }
}

/** The verdict without the offset. */
export function refusalOf(reading: Reading): string {
  return reading.verdict.replace(/ @\d+$/, '');
}

/** The file's bytes with its holes as zeros. */
export function contentOf({ size, segments }: Member): Buffer {
  const content = Buffer.alloc(size);
  for (const { offset, bytes } of segments) content.write(bytes, offset, 'latin1');
  return content;
}

function memberOf(entry: Entry): Omit<Member, 'segments'> {
  const text = ({ bytes, start, end }: Span): string => Buffer.from(bytes.subarray(start, end)).toString('latin1');
  return {
    type: String.fromCharCode(entry.type),
    name: text(entry.name),
    link: text(entry.link),
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    mtime: entry.mtime,
    mtimeNs: entry.mtimeNs,
    device: [entry.devMajor, entry.devMinor],
    xattrs: entry.xattrs.map(({ name, value }) => [
      Buffer.from(name).toString('latin1'),
      Buffer.from(value).toString('latin1'),
    ]),
    isSparse: entry.sparse !== null,
    offset: entry.offset,
  };
}
