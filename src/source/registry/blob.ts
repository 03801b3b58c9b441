import { SluiceError } from '../../errors.js';
import type { Descriptor } from '../../oci/manifest.js';
import type { BlobReader } from '../source.js';
import { abortError, onAbort, throwIfAborted } from '../abort.js';
import type { BlobRequest } from './blob-request.js';
import { headersOf, type ReplyHead } from './http.js';
import type { Pace } from './pace.js';
import { createPatience } from './patience.js';
import type { ByteRange } from './range.js';
import { Spill } from './spill.js';
import type { Asked } from './status.js';
import { Stretch, type StretchBlob } from './stretch.js';
import type { Timing } from './timing.js';

/** The longest range, and the largest blob that is asked for whole when one read covers it (R78). */
const RANGE_BYTES = 4 * 1024 * 1024;

export interface BlobReaderOptions {
  readonly descriptor: Descriptor;
  readonly asked: Asked;
  readonly request: BlobRequest;
  readonly pace: Pace;
  readonly spillDirectory: string;
  readonly timing: Timing;
  /** One GET without ranges, whatever the reads are (R96). */
  readonly isWholeAtOnce: boolean;
  /** What the process knows of the host (R79). */
  readonly isRangelessHost: () => boolean;
  readonly noteRangelessHost: () => void;
  readonly notice: (message: string) => void;
}

/** Opens nothing yet: the first read asks for the first byte. */
export function openBlobReader(options: BlobReaderOptions): BlobReader {
  return new RegistryBlobReader(options);
}

/** A read under way. */
interface Claim {
  next: number;
  readonly end: number;
  readonly sink: (chunk: Uint8Array) => void;
  /** Whether arriving bytes go straight to it. */
  isWaiting: boolean;
  /** What its sink threw, boxed. */
  failure: { readonly error: unknown } | null;
  /** Ends a wait: all its bytes are there, or its sink failed. */
  wake: () => void;
}

class RegistryBlobReader implements BlobReader {
  readonly #options: BlobReaderOptions;
  readonly #size: number;
  readonly #spill: Spill;
  readonly #blob: StretchBlob;
  readonly #stretches = new Set<Stretch>();
  readonly #claims = new Set<Claim>();
  readonly #closing = new AbortController();
  /** Opens when the first body begins, or will not. */
  readonly #firstReply = createLatch();
  #isAsked = false;
  #isWholeOnly: boolean;
  #validator: string | null = null;
  /** Why no more of the blob will come. */
  #failure: SluiceError | null = null;
  #receivedBytes = 0;

  constructor(options: BlobReaderOptions) {
    this.#options = options;
    this.#size = options.descriptor.size;
    this.#isWholeOnly = options.isWholeAtOnce;
    this.#spill = new Spill(options.spillDirectory, this.#size);
    this.#blob = this.#describe();
  }

  async read(offset: number, length: number, sink: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    if (offset < 0 || length < 0 || offset + length > this.#size) throw new RangeError('a read past the blob');
    throwIfAborted(signal);
    throwIfAborted(this.#closing.signal);
    const claim: Claim = {
      next: offset,
      end: offset + length,
      sink,
      isWaiting: false,
      failure: null,
      wake: () => undefined,
    };
    this.#claims.add(claim);
    try {
      while (claim.next < claim.end) {
        if (this.#spill.has(claim.next)) await this.#deliverKept(claim, signal);
        else await this.#deliverArriving(claim, signal);
      }
    } catch (error) {
      throw this.#explain(error);
    } finally {
      this.#claims.delete(claim);
      this.#spill.discard(offset, claim.next);
    }
  }

  /** Whatever makes a request be tried again counts (R86). */
  setbacks(): number {
    return this.#blob.patience.round;
  }

  host(): string {
    return this.#options.asked.host;
  }

  async close(): Promise<void> {
    const reason = new SluiceError('ABORTED', 'the blob was closed');
    this.#closing.abort(reason);
    const stretches = [...this.#stretches];
    for (const stretch of stretches) stretch.abort(reason);
    await Promise.allSettled(stretches.map((stretch) => stretch.ended));
    this.#spill.close();
  }

  #describe(): StretchBlob {
    const { asked, request, pace, timing } = this.#options;
    const patience = createPatience(timing);
    return {
      size: this.#size,
      asked,
      request,
      patience,
      pace,
      now: () => timing.now(),
      isRanged: (range) => this.#isRanged(range),
      noteRangeless: () => this.#options.noteRangelessHost(),
      giveUpRanges: () => {
        this.#isWholeOnly = true;
      },
      mayTakeWhole: (stretch) => ![...this.#stretches].some((other) => other !== stretch && other.isWhole),
      begin: (head) => this.#begin(head),
      arrive: (stretch, offset, bytes) => this.#arrive(stretch, offset, bytes),
    };
  }

  #isRanged({ start, end }: ByteRange): boolean {
    if (this.#isWholeOnly) return false;
    if (start > 0) return true;
    return !(this.#options.isRangelessHost() || (end === this.#size && this.#size <= RANGE_BYTES));
  }

  async #deliverKept(claim: Claim, signal: AbortSignal): Promise<void> {
    const bytes = await this.#spill.take(claim.next, claim.end);
    throwIfAborted(signal);
    throwIfAborted(this.#closing.signal);
    claim.next += bytes.length;
    claim.sink(bytes);
  }

  /** Waits for a stretch that brings the claim's bytes, and begins one when none does. */
  async #deliverArriving(claim: Claim, signal: AbortSignal): Promise<void> {
    claim.isWaiting = true;
    try {
      const stretch = this.#covering(claim) ?? (await this.#begun(claim, signal));
      if (stretch !== null) await this.#follow(stretch, claim, signal);
    } finally {
      claim.isWaiting = false;
    }
  }

  /**
   * The first request alone tells whether the host sends ranges at all; until it does no second one is made.
   * @returns null when the bytes came, or are kept, by then
   */
  async #begun(claim: Claim, signal: AbortSignal): Promise<Stretch | null> {
    if (this.#isAsked && !this.#firstReply.isOpen) {
      await waitFor(this.#firstReply.opened, claim, signal);
      if (claim.next >= claim.end || this.#spill.has(claim.next)) return null;
      const covering = this.#covering(claim);
      if (covering !== null) return covering;
    }
    throwIfAborted(this.#closing.signal);
    if (this.#failure !== null) throw this.#failure;
    this.#isAsked = true;
    const stretch = new Stretch(this.#blob, { start: claim.next, end: claim.end });
    this.#stretches.add(stretch);
    const over = (): void => {
      this.#stretches.delete(stretch);
      this.#firstReply.open();
    };
    stretch.ended.then(over, (error: unknown) => {
      over();
      if (error instanceof SluiceError && error.code !== 'ABORTED') this.#failure ??= error;
    });
    return stretch;
  }

  #covering(claim: Claim): Stretch | null {
    return [...this.#stretches].find((stretch) => stretch.covers(claim.next)) ?? null;
  }

  async #follow(stretch: Stretch, claim: Claim, signal: AbortSignal): Promise<void> {
    stretch.readers++;
    let isDone = false;
    try {
      await waitFor(stretch.ended, claim, signal);
      // Whether a byte too many comes is known at the end alone (R89).
      if (claim.end === stretch.end) await waitFor(stretch.ended, null, signal);
      isDone = true;
    } finally {
      stretch.readers--;
      if (!isDone && stretch.readers === 0) stretch.abort(signal.aborted ? abortError(signal) : leftAlone());
    }
  }

  #begin(head: ReplyHead): void {
    this.#firstReply.open();
    const validator = ['etag', 'last-modified'].flatMap((name) => headersOf(head, name)).join(' ');
    if (this.#validator !== null && this.#validator !== validator) {
      this.#options.notice(`the registry answers with another ETag for ${this.#options.descriptor.digest}`);
    }
    this.#validator = validator;
  }

  #arrive(stretch: Stretch, offset: number, bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    const end = offset + bytes.length;
    for (let at = offset; at < end;) {
      const claim = this.#waitingWithin(at, end);
      const stop = claim?.next ?? end;
      // What nobody waits for is kept when it belongs to a whole body; a range is somebody's who left.
      if (stop > at && stretch.isWhole) this.#spill.put(at, bytes.subarray(at - offset, stop - offset));
      at = claim === null ? end : give(claim, bytes.subarray(stop - offset));
    }
  }

  /** The waiting claim whose next byte comes first among these. */
  #waitingWithin(start: number, end: number): Claim | null {
    let first: Claim | null = null;
    for (const claim of this.#claims) {
      const isHere = claim.isWaiting && claim.next >= start && claim.next < Math.min(end, claim.end);
      if (isHere && (first === null || claim.next < first.next)) first = claim;
    }
    return first;
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof SluiceError) || error.code === 'ABORTED') return error;
    const { asked, descriptor } = this.#options;
    return error.with({ ...asked, layer: descriptor.digest, bytesSoFar: this.#receivedBytes });
  }
}

/** @returns the offset after the bytes that the claim took */
function give(claim: Claim, bytes: Uint8Array): number {
  const part = bytes.subarray(0, claim.end - claim.next);
  claim.next += part.length;
  try {
    claim.sink(part);
  } catch (error) {
    claim.isWaiting = false;
    claim.failure = { error };
  }
  if (claim.next >= claim.end || claim.failure !== null) claim.wake();
  return claim.next;
}

/** Until the promise settles, or the claim has all its bytes, or the signal fires. */
function waitFor(promise: Promise<void>, claim: Claim | null, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const release = onAbort(signal, () => reject(abortError(signal)));
    const done = (): void => {
      release();
      resolve();
    };
    const fail = (error: unknown): void => {
      release();
      reject(error as Error);
    };
    if (claim !== null) {
      claim.wake = () => (claim.failure === null ? done() : fail(claim.failure.error));
      if (claim.next >= claim.end || claim.failure !== null) return claim.wake();
    }
    promise.then(done, fail);
  });
}

function leftAlone(): SluiceError {
  return new SluiceError('ABORTED', 'nobody reads the blob any more');
}

interface Latch {
  readonly isOpen: boolean;
  readonly opened: Promise<void>;
  open(): void;
}

function createLatch(): Latch {
  let resolveOpened = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    resolveOpened = resolve;
  });
  const latch = {
    isOpen: false,
    opened,
    open: (): void => {
      latch.isOpen = true;
      resolveOpened();
    },
  };
  return latch;
}
