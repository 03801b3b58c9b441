import { errnoOf } from '../errors.js';
import { native } from '../native.js';
import { algorithmOf, type Digest } from '../oci/digest.js';
import type { SlotHash } from '../transfer/hashed-slots.js';
import type { Tracer } from './tracer.js';

/** A digest that two threads compute by turns. */
export interface SharedHash extends SlotHash {
  digest(state: Uint8Array): Digest;
}

/** @returns null where this node does not carry the calls: then the thread that applies hashes alone */
export function openSharedHash(like: Digest, tracer: Tracer): SharedHash | null {
  const addon = native();
  const algorithm = algorithmOf(like);
  try {
    addon.digestStart(algorithm, new Uint8Array(256));
  } catch (error) {
    if (errnoOf(error) === 'ENOSYS') return null;
    throw error;
  }
  return {
    start: (state) => addon.digestStart(algorithm, state),
    update: (state, bytes) => tracer.span('hash', () => addon.digestUpdate(algorithm, state, bytes)),
    digest: (state) => `${algorithm}:${addon.digestEnd(algorithm, state).toString('hex')}` as Digest,
  };
}
