import { SluiceError } from '../../src/errors.js';
import type { Descriptor } from '../../src/oci/manifest.js';
import { parsePlatform } from '../../src/oci/platform.js';
import { resolveImage, type ResolveOptions } from '../../src/source/resolve.js';
import type { Document, Source } from '../../src/source/source.js';
import { topOf, type TestImage, type TestIndex } from '../../src/testing/image.js';

/** A source in memory that keeps a list of what was asked. */
export interface FakeSource extends Source {
  readonly asked: string[];
}

/** Serves a built image; `change` may put anything over a document before it is answered. */
export function fakeSource(
  image: TestImage | TestIndex,
  change: (document: Document, descriptor: Descriptor | null) => Partial<Document> = () => ({}),
): FakeSource {
  const asked: string[] = [];
  const answer = (descriptor: Descriptor, asDescribed: Descriptor | null): Document => {
    const bytes = image.blobs.get(descriptor.digest);
    if (!bytes) throw new SluiceError('MANIFEST_UNKNOWN', `opening blob "${descriptor.digest}"`);
    const document: Document = { bytes, contentType: descriptor.mediaType, host: 'fake.test' };
    return { ...document, ...change(document, asDescribed) };
  };
  return {
    asked,
    peekDigest: async () => null,
    readTop: async () => {
      asked.push('top');
      return answer(topOf(image).descriptor, null);
    },
    readDocument: async (descriptor, what) => {
      asked.push(`${what} ${descriptor.digest}`);
      return answer(descriptor, descriptor);
    },
    locateBlob: async () => {
      throw new Error('resolving asks for no layer');
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A source whose one document is the given JSON, or bytes as they are. */
export function documentSource(document: unknown, contentType: string | null): FakeSource {
  const bytes = document instanceof Uint8Array ? document : Buffer.from(JSON.stringify(document));
  const asked: string[] = [];
  return {
    asked,
    peekDigest: async () => null,
    readTop: async () => {
      asked.push('top');
      return { bytes, contentType, host: 'fake.test' };
    },
    readDocument: async (descriptor, what) => {
      asked.push(`${what} ${descriptor.digest}`);
      throw new SluiceError('MANIFEST_UNKNOWN', `opening "${descriptor.digest}"`);
    },
    locateBlob: async () => {
      throw new Error('resolving asks for no layer');
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Options of a resolve for `platform`, which keep the notices. */
export function resolveOptions(
  platform: string = 'linux/amd64',
  more: Partial<ResolveOptions> = {},
): ResolveOptions & { readonly notices: string[] } {
  const notices: string[] = [];
  return {
    platform: platform === 'any' ? 'any' : parsePlatform(platform),
    maxManifestBytes: 4 * 1024 * 1024,
    maxConfigBytes: 8 * 1024 * 1024,
    signal: new AbortController().signal,
    notice: (level, message) => notices.push(`${level}: ${message}`),
    notices,
    ...more,
  };
}

/** Resolves and expects the code; answers the error. */
export async function failureOf(source: Source, options: ResolveOptions = resolveOptions()): Promise<SluiceError> {
  try {
    await resolveImage(source, options);
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error('the image resolved');
}
