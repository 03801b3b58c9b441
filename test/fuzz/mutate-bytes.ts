import type { Random } from '../../src/testing/index.js';

/**
 * Changes valid bytes into others that come again with the same random numbers.
 * @param bytes not changed
 * @param donor other valid bytes of the same kind, of which parts may be taken
 */
export type Mutation = (bytes: Buffer, random: Random, donor: Buffer) => Buffer;

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.integer(items.length)]!;
}

/** Where readers of numbers, text and flags turn. */
const INTERESTING = [0, 1, 0x0a, 0x20, 0x2e, 0x2f, 0x30, 0x37, 0x38, 0x3d, 0x5c, 0x7f, 0x80, 0xff];

/** Blind to what the bytes mean. */
export const BYTE_MUTATIONS: readonly Mutation[] = [flipBits, setBytes, cutEnd, cutOut, repeatPart, insertPart];

export function flipBits(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  for (let left = 1 + random.integer(8); left > 0 && changed.length > 0; left--) {
    changed[random.integer(changed.length)]! ^= 1 << random.integer(8);
  }
  return changed;
}

export function setBytes(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  for (let left = 1 + random.integer(4); left > 0 && changed.length > 0; left--) {
    changed[random.integer(changed.length)] = pick(random, INTERESTING);
  }
  return changed;
}

function cutEnd(bytes: Buffer, random: Random): Buffer {
  return Buffer.from(bytes.subarray(0, random.integer(bytes.length + 1)));
}

function cutOut(bytes: Buffer, random: Random): Buffer {
  const [start, end] = chooseSpan(bytes, random);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
}

function repeatPart(bytes: Buffer, random: Random): Buffer {
  const [start, end] = chooseSpan(bytes, random);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
}

function insertPart(bytes: Buffer, random: Random, donor: Buffer): Buffer {
  const [start, end] = chooseSpan(donor, random);
  const at = random.integer(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), donor.subarray(start, end), bytes.subarray(at)]);
}

const LONGEST_SPAN = 1500;

function chooseSpan(bytes: Buffer, random: Random): [start: number, end: number] {
  const start = random.integer(bytes.length + 1);
  return [start, Math.min(bytes.length, start + random.integer(LONGEST_SPAN))];
}
