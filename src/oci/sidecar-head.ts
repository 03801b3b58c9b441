import { SluiceError } from '../errors.js';
import { type Digest, isDigest } from './digest.js';

/** Version of the sidecar that this code writes and reads. */
export const SIDECAR_FORMAT = 1;

const STATS = ['containers', 'libkrun', 'sidecar'] as const;

/** What a sidecar's first three lines say of its layer. */
export interface SidecarHead {
  /** Of the packed blob. */
  readonly digest: Digest;
  readonly diffId: Digest;
  /** How owners and modes are kept on the layer's files (extraction M2, M5, M10). */
  readonly stat: 'containers' | 'libkrun' | 'sidecar';
  readonly packedBytes: number;
  /** Length of the uncompressed tar stream. */
  readonly unpackedBytes: number;
  /** Entries of the archive, implied directories left out. */
  readonly entries: number;
  /** Whether links into lower layers wait for composing (extraction H6). */
  readonly composeRequired: boolean;
}

/** No head is longer than this, in bytes. */
export const SIDECAR_HEAD_BYTES = 1024;

/** The three lines, each ended by a newline. @see rules §13 */
export function formatSidecarHead(head: SidecarHead): Uint8Array {
  const compose = head.composeRequired ? 1 : 0;
  return Buffer.from(
    '#mtree\n' +
      `#sluice.layer v=${SIDECAR_FORMAT} digest=${head.digest} diffid=${head.diffId} stat=${head.stat}\n` +
      `#sluice.counts packed=${head.packedBytes} unpacked=${head.unpackedBytes} entries=${head.entries} compose=${compose}\n`,
  );
}

const FIRST_LINES = /^#mtree\n#sluice\.layer v=([1-9][0-9]{0,8}) ([^\n]*)\n/;
const LAYER = /^digest=(\S+) diffid=(\S+) stat=(\S+)$/;
const COUNTS = /^#sluice\.counts packed=([0-9]+) unpacked=([0-9]+) entries=([0-9]+) compose=([01])\n/;

/**
 * Reads the first three lines of a sidecar.
 * @param bytes at least the head; what follows it is not looked at
 * @returns null for a sidecar of another version than {@link SIDECAR_FORMAT}
 * @throws SluiceError SIDECAR_CORRUPT
 */
export function parseSidecarHead(bytes: Uint8Array): SidecarHead | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const first = FIRST_LINES.exec(text);
  if (!first) throw corrupt('the first two lines');
  if (Number(first[1]) !== SIDECAR_FORMAT) return null;

  const [, digest, diffId, statText] = LAYER.exec(first[2]!) ?? [];
  const stat = STATS.find((name) => name === statText);
  if (!digest || !isDigest(digest) || !diffId || !isDigest(diffId) || !stat) throw corrupt('the layer line');

  const counts = COUNTS.exec(text.slice(first[0].length));
  if (!counts) throw corrupt('the counts line');
  const [packedBytes, unpackedBytes, entries] = [readCount(counts[1]!), readCount(counts[2]!), readCount(counts[3]!)];
  return { digest, diffId, stat, packedBytes, unpackedBytes, entries, composeRequired: counts[4] === '1' };
}

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || String(count) !== text) throw corrupt('a count');
  return count;
}

function corrupt(part: string): SluiceError {
  return new SluiceError('SIDECAR_CORRUPT', {
    message: `reading a sidecar: ${part} cannot be read`,
    rule: 'extraction §13',
  });
}
