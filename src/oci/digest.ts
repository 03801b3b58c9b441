import { createHash, type Hash } from 'node:crypto';
import { SluiceError } from '../errors.js';

declare const digestBrand: unique symbol;

/** `algorithm:hex`, one of sha256, sha384, sha512, lower case; comes from {@link parseDigest} or a computation alone. */
export type Digest = string & { readonly [digestBrand]: true };

export type DigestAlgorithm = 'sha256' | 'sha384' | 'sha512';

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Whether the text is a digest that can be verified here. */
export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (!Object.hasOwn(HEX_LENGTH, algorithm)) return false;
  const hex = text.slice(colon + 1);
  return hex.length === HEX_LENGTH[algorithm as DigestAlgorithm] && /^[0-9a-f]+$/.test(hex);
}

/**
 * @throws SluiceError DIGEST_INVALID
 * @see OCI image-spec descriptor.md, "Digests"
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new SluiceError('DIGEST_INVALID', {
    message: `reading digest ${JSON.stringify(text.slice(0, 200))}`,
    rule: 'registry R97',
  });
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;
}

/** The hex part, without the algorithm. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** A running hash that ends as a {@link Digest}. */
export interface DigestHash {
  update(bytes: Uint8Array): void;
  /** May be called once. */
  digest(): Digest;
}

export function createDigestHash(algorithm: DigestAlgorithm): DigestHash {
  const hash: Hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => `${algorithm}:${hash.digest('hex')}` as Digest,
  };
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  const hash = createDigestHash(algorithm);
  hash.update(bytes);
  return hash.digest();
}
