import { SluiceError } from '../../errors.js';
import { onAbort } from '../abort.js';
import type { BlobReply, BlobRequest } from './blob-request.js';
import { collectErrorBody } from './body.js';
import { isPassing } from './classify.js';
import type { BodySink, ReplyHead } from './http.js';
import type { Pace } from './pace.js';
import type { Patience } from './patience.js';
import { acceptPartial, type ByteRange, checkLength, sizeMismatch } from './range.js';
import { type Asked, statusError } from './status.js';

/** What the stretches of one blob share. */
export interface StretchBlob {
  readonly size: number;
  readonly asked: Asked;
  readonly request: BlobRequest;
  readonly patience: Patience;
  readonly pace: Pace;
  now(): number;
  /** Whether these bytes are asked for with a `Range` header. */
  isRanged(range: ByteRange): boolean;
  /** The host sent the whole although a part from byte 0 on was asked for (R79). */
  noteRangeless(): void;
  /** A `Range` led to nothing: from now on the blob is asked for whole (R83). */
  giveUpRanges(): void;
  /** Whether a whole body that the stretch gets is taken to its end, for all readers. */
  mayTakeWhole(stretch: Stretch): boolean;
  /** A body begins that will be used. */
  begin(head: ReplyHead): void;
  /** Bytes of the blob, valid during the call; those of one stretch come in order. */
  arrive(stretch: Stretch, offset: number, bytes: Uint8Array): void;
}

/** One request of a stretch. */
interface Attempt {
  /** Its own: what is too slow is cut, and the stretch goes on. */
  readonly controller: AbortController;
  /** Tells the blob's pace that its body is over; null before one begins. */
  endBody: (() => void) | null;
}

/** What a target of a redirect answers when it no longer likes its own address (R54). */
const TARGET_REFUSALS = new Set([400, 401, 403, 404, 410]);

/**
 * A stretch of a blob that is being received: one request after the other until all its bytes are there. A body that
 * breaks off is resumed at its exact next byte (R80).
 */
export class Stretch {
  /** Next byte that must come. */
  position: number;
  /** Grows to the blob's size when the whole body comes (R79). */
  end: number;
  /** Reads that wait for it. */
  readers = 0;
  /** Whether its body is taken to the blob's end, for whoever will ask. */
  isWhole = false;
  isOver = false;
  /** Settles when no more will come. */
  readonly ended: Promise<void>;
  readonly #blob: StretchBlob;
  readonly #controller = new AbortController();

  constructor(blob: StretchBlob, range: ByteRange) {
    this.#blob = blob;
    this.position = range.start;
    this.end = range.end;
    this.ended = this.#run().finally(() => {
      this.isOver = true;
    });
    this.ended.catch(() => undefined);
  }

  covers(offset: number): boolean {
    return !this.isOver && this.position <= offset && offset < this.end;
  }

  abort(reason: SluiceError): void {
    this.#controller.abort(reason);
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller;
    const { patience } = this.#blob;
    while (this.position < this.end) {
      const attempt: Attempt = { controller: new AbortController(), endBody: null };
      const release = onAbort(signal, () => attempt.controller.abort(signal.reason));
      const { round } = patience;
      try {
        await this.#ask(attempt);
      } catch (thrown) {
        if (!(thrown instanceof SluiceError)) throw thrown;
        // All bytes are there: the digest decides (R84).
        if (this.position >= this.end && thrown.code !== 'SIZE_MISMATCH') return;
        const isBroken = attempt.endBody !== null && isPassing(thrown) && thrown.code !== 'TOO_SLOW';
        await patience.fail(isBroken ? this.#brokenOff(thrown) : thrown, round, signal);
      } finally {
        release();
        attempt.endBody?.();
      }
    }
  }

  async #ask(attempt: Attempt): Promise<void> {
    const { request, size, pace } = this.#blob;
    const { controller } = attempt;
    const asked: ByteRange = { start: this.position, end: this.end };
    const isRanged = this.#blob.isRanged(asked);
    const errorBody = collectErrorBody();
    let part: ByteRange | null = null;
    const answered = await request.ask(
      isRanged ? asked : null,
      (reply) => {
        if (reply.status !== 200 && reply.status !== 206) return errorBody.sink;
        part = reply.status === 206 ? acceptPartial(reply, asked, size) : this.#acceptWhole(reply, asked, isRanged);
        if (part === null) return () => 'enough';
        // Bodies that are awaited together are cut together, and that is one failed try (R73).
        attempt.endBody = pace.begin((error) => controller.abort(error));
        this.#blob.begin(reply);
        const sink = this.#sink(reply, part);
        return (chunk) => {
          pace.arrive(chunk.length);
          return sink(chunk);
        };
      },
      controller.signal,
    );
    if (part !== null) return this.#checkEnd(part);
    const { head } = answered;
    if (head.status === 206 || head.status === 416) return this.#giveUpRanges(head, isRanged);
    this.#refuse(answered, errorBody.bytes());
  }

  /** A whole body where a part was asked for: what is there already is thrown away as it comes (R82). */
  #acceptWhole(reply: ReplyHead, asked: ByteRange, isRanged: boolean): ByteRange {
    const { size } = this.#blob;
    checkLength(reply, size);
    if (asked.start > 0) this.#blob.patience.skip();
    else if (isRanged) this.#blob.noteRangeless();
    if (this.#blob.mayTakeWhole(this)) {
      this.isWhole = true;
      this.end = size;
    }
    return { start: 0, end: size };
  }

  #sink(reply: ReplyHead, part: ByteRange): BodySink {
    let offset = part.start;
    return (chunk) => {
      const start = offset;
      offset += chunk.length;
      const from = Math.max(start, this.position);
      const to = Math.min(offset, part.end, this.end);
      if (from < to) {
        this.position = to;
        this.#blob.patience.gain(to - from);
        this.#blob.arrive(this, from, chunk.subarray(from - start, to - start));
      }
      if (offset > part.end) throw sizeMismatch(reply.url, part.end - part.start, `more than ${part.end - part.start}`);
      return this.position >= this.end && offset < part.end ? 'enough' : undefined;
    };
  }

  /** A body without a length may end early without an error. */
  #checkEnd(part: ByteRange): void {
    if (this.position < Math.min(part.end, this.end)) throw this.#brokenOff(undefined);
  }

  #giveUpRanges(head: ReplyHead, isRanged: boolean): void {
    if (isRanged) return this.#blob.giveUpRanges();
    throw new SluiceError('PROTOCOL_ERROR', {
      message: `reading a blob of "${this.#blob.asked.repository}": HTTP ${head.status} to a request without a range`,
      rule: 'registry R83',
      status: head.status,
    });
  }

  #refuse(answered: BlobReply, body: Uint8Array): void {
    const { head } = answered;
    const { asked, request, patience } = this.#blob;
    const error = statusError(head, body, asked, this.#blob.now());
    if (!request.isFromTarget(head) || !TARGET_REFUSALS.has(head.status)) throw error;
    if (request.forgetTarget(answered)) patience.refuse(error);
  }

  #brokenOff(cause: SluiceError | undefined): SluiceError {
    const { repository, host } = this.#blob.asked;
    const why = cause === undefined ? 'the body ended early' : cause.message;
    return new SluiceError(
      'BLOB_INCOMPLETE',
      {
        message: `reading a blob of "${repository}" from ${host}, at byte ${this.position} of ${this.#blob.size}: ${why}`,
        rule: 'registry R80',
        ...(cause?.detail.errno !== undefined && { errno: cause.detail.errno }),
      },
      { cause },
    );
  }
}
