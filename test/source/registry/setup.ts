import { digestOf } from '../../../src/oci/digest.js';
import type { Descriptor } from '../../../src/oci/manifest.js';
import { parseReference } from '../../../src/oci/reference.js';
import type { Dispatch, HttpRequest, ReplyHeaders } from '../../../src/source/registry/http.js';
import { createRegistryClient, type RegistryClient } from '../../../src/source/registry/registry-client.js';
import { type DocumentCaps, openRegistry } from '../../../src/source/registry/registry.js';
import type { Credentials, CredentialsFunction } from '../../../src/source/registry/credentials/credential.js';
import { readAuthorities } from '../../../src/source/registry/tls.js';
import type { Timeouts } from '../../../src/source/registry/client.js';
import type { Timing } from '../../../src/source/registry/timing.js';
import { throwIfAborted } from '../../../src/source/abort.js';
import type { BlobReader, Source } from '../../../src/source/source.js';
import { isolateProcess, temporaryDirectory } from '../../helpers/temporary.js';

isolateProcess();

/** What of a test's context is used here. */
export interface TestContext {
  after(undo: () => void | Promise<void>): void;
}

/** Waits take no time, and are kept. */
export interface FakeTiming extends Timing {
  /** Milliseconds of each wait, in order. */
  readonly sleeps: number[];
  /** Both clocks, in milliseconds; alarms that are due ring when it is set. */
  time: number;
}

/** @param random what chance gives; the middle when left out */
export function fakeTiming(random: () => number = () => 0.5): FakeTiming {
  let time = Date.UTC(2026, 0, 1);
  const alarms = new Set<{ readonly at: number; readonly ring: () => void }>();
  const timing: FakeTiming = {
    sleeps: [],
    get time() {
      return time;
    },
    set time(wanted) {
      time = wanted;
      for (const alarm of alarms) if (alarm.at <= time && alarms.delete(alarm)) alarm.ring();
    },
    now: () => time,
    monotonic: () => time,
    random,
    sleep: async (ms, signal) => {
      throwIfAborted(signal);
      timing.sleeps.push(ms);
      timing.time += ms;
    },
    alarm: (ms, ring) => {
      const alarm = { at: time + ms, ring };
      alarms.add(alarm);
      return () => void alarms.delete(alarm);
    },
  };
  return timing;
}

export interface OpenOptions {
  readonly client?: RegistryClient;
  readonly plainHttp?: readonly string[];
  readonly tlsCa?: readonly string[];
  readonly skipVerify?: readonly string[];
  readonly priority?: 'interactive' | 'bulk';
  readonly rateFloor?: number;
  readonly foreignLayers?: readonly string[];
  readonly credentials?: Credentials | CredentialsFunction;
  readonly caps?: Partial<DocumentCaps>;
  readonly timeouts?: Timeouts;
  readonly timing?: FakeTiming;
}

export interface Opened {
  readonly source: Source;
  readonly client: RegistryClient;
  readonly notices: { readonly level: string; readonly message: string; readonly host: string }[];
  readonly timing: FakeTiming;
  readonly spillDirectory: string;
}

/** Opens a reference with a client of its own, whose waits take no time; closed after the test. */
export function open(t: TestContext, reference: string, options: OpenOptions = {}): Opened {
  const timing = options.timing ?? fakeTiming();
  const client =
    options.client ?? createRegistryClient({ timing, ...(options.timeouts && { timeouts: options.timeouts }) });
  const notices: Opened['notices'] = [];
  const spillDirectory = temporaryDirectory(t, 'sluice-spill');
  const source = openRegistry(parseReference(reference), {
    client,
    plainHttp: options.plainHttp ?? [],
    tls: { authorities: readAuthorities(options.tlsCa ?? []), skipVerify: options.skipVerify ?? [] },
    credentials: options.credentials,
    isBulk: () => options.priority === 'bulk',
    foreignLayers: options.foreignLayers ?? [],
    rateFloor: options.rateFloor ?? 16 * 1024,
    caps: { maxManifestBytes: 4 << 20, maxConfigBytes: 8 << 20, maxTokenBytes: 1 << 20, ...options.caps },
    notice: (level, message, host) => notices.push({ level, message, host }),
    spillDirectory,
  });
  t.after(async () => {
    await source[Symbol.asyncDispose]();
    if (options.client === undefined) await client.close();
  });
  return { source, client, notices, timing, spillDirectory };
}

/** Whose requests are somebody's who waits. */
export const notBulk = (): boolean => false;

/** A signal that never fires. */
export const never: AbortSignal = new AbortController().signal;

/** Finds the blob and opens a reader for it. */
export async function openBlob(
  source: Source,
  bytes: Uint8Array,
  size: number = bytes.length,
  isBulk: () => boolean = notBulk,
): Promise<BlobReader> {
  const access = await source.locateBlob(descriptorOf(bytes, size), never);
  if (access.kind !== 'remote') throw new Error('not remote');
  return access.openReader(isBulk);
}

function descriptorOf(bytes: Uint8Array, size: number = bytes.length): Descriptor {
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(bytes), size };
}

/** Reads `offset` up to `end`, copied. */
export async function readRange(
  reader: BlobReader,
  offset: number,
  end: number,
  signal: AbortSignal = never,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await reader.read(offset, end - offset, (chunk) => chunks.push(Buffer.from(chunk)), signal);
  return Buffer.concat(chunks);
}

/** Reads the whole in parts, `ahead` of them at once, as the transfer does. */
export async function readInParts(reader: BlobReader, size: number, partBytes: number, ahead = 2): Promise<Buffer> {
  const parts: Promise<Buffer>[] = [];
  for (let offset = 0; offset < size; offset += partBytes) {
    parts.push(readRange(reader, offset, Math.min(size, offset + partBytes)));
    if (parts.length >= ahead) await parts[parts.length - ahead];
  }
  return Buffer.concat(await Promise.all(parts));
}

/** What a {@link fakeClient} answers. */
export interface CannedReply {
  readonly status?: number;
  readonly headers?: ReplyHeaders;
  readonly body?: string | Uint8Array;
}

/** A client without a network, and the requests it got. */
export function fakeClient(
  answer: (request: HttpRequest) => CannedReply,
  timing: FakeTiming = fakeTiming(),
): RegistryClient & { readonly requests: HttpRequest[] } {
  const requests: HttpRequest[] = [];
  const dispatch: Dispatch = async (request, receive, signal) => {
    throwIfAborted(signal);
    requests.push(request);
    const { status = 200, headers = {}, body = '' } = answer(request);
    const head = { status, headers, url: request.url };
    const sink = receive(head);
    const bytes = Buffer.from(body);
    if (request.method !== 'HEAD' && bytes.length > 0) sink(bytes);
    return head;
  };
  const client = createRegistryClient({ timing });
  return { ...client, dispatch, requests };
}

/** Bytes that differ at every place, so that nothing can stand in the wrong one. */
export function testBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE((state ^ at) >>> 0, at);
  }
  for (let at = length - (length % 4); at < length; at++) bytes[at] = (at * 31 + seed) & 0xff;
  return bytes;
}

/** Until something is so, for at most ten seconds. */
export async function eventually(isSo: () => boolean): Promise<void> {
  for (let turns = 0; turns < 2000 && !isSo(); turns++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!isSo()) throw new Error('it never came to be so');
}
