import { gzipSync } from 'node:zlib';

/**
 * How a layer's blob is made from its tar: `gzip-members` is several gzip members with an empty one between, as pigz
 * and eStargz write; `gzip-header` has extra field, name, comment and header checksum; `zstd-stored` is zstd frames
 * of uncompressed blocks with a skippable frame before and between.
 */
export type LayerCompression = 'none' | 'gzip' | 'gzip-members' | 'gzip-header' | 'zstd-stored';

/** Compresses; the same bytes come out on every machine with the same zlib. */
export function compress(tar: Uint8Array, compression: LayerCompression): Buffer {
  switch (compression) {
    case 'none':
      return Buffer.from(tar);
    case 'gzip':
      return gzipSync(tar);
    case 'gzip-members':
      return gzipMembers(tar, Math.max(1, Math.ceil(tar.length / 3)));
    case 'gzip-header':
      return addGzipHeader(gzipSync(tar));
    case 'zstd-stored':
      return zstdStored(tar);
    default:
      return compression satisfies never;
  }
}

/** Gzip members of `memberBytes` of content each, an empty one after the first. */
export function gzipMembers(tar: Uint8Array, memberBytes: number): Buffer {
  const members: Buffer[] = [];
  for (let at = 0; at < tar.length; at += memberBytes) {
    members.push(gzipSync(tar.subarray(at, at + memberBytes)));
    if (at === 0) members.push(gzipSync(Buffer.alloc(0)));
  }
  return members.length > 0 ? Buffer.concat(members) : gzipSync(tar);
}

/** @see RFC 1952, 2.3.1 */
function addGzipHeader(member: Buffer): Buffer {
  const header = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3]),
    Buffer.from([6, 0, 0x58, 0x59, 2, 0, 1, 2]),
    Buffer.from('layer.tar\0a comment\0'),
  ]);
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE(crc32(header) & 0xffff);
  return Buffer.concat([header, checksum, member.subarray(10)]);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}

const ZSTD_BLOCK_BYTES = 128 * 1024;

/** @see RFC 8878, 3.1 */
function zstdStored(tar: Uint8Array): Buffer {
  const half = Math.ceil(tar.length / 2);
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  return Buffer.concat([skippable, zstdFrame(tar.subarray(0, half)), skippable, zstdFrame(tar.subarray(half))]);
}

function zstdFrame(content: Uint8Array): Buffer {
  const windowOf128KiB = 7 << 3;
  const chunks: Uint8Array[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, windowOf128KiB])];
  let at = 0;
  do {
    const block = content.subarray(at, at + ZSTD_BLOCK_BYTES);
    at += block.length;
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at >= content.length ? 1 : 0), 0, 3);
    chunks.push(header, block);
  } while (at < content.length);
  return Buffer.concat(chunks);
}
