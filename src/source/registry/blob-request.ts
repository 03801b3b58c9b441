import { SluiceError } from '../../errors.js';
import { orAborted } from '../abort.js';
import type { Dispatch, HttpRequest, Receive, ReplyHead } from './http.js';
import type { Order } from './limits.js';
import { type ByteRange, formatRange } from './range.js';
import { guardOf } from './redirect.js';

export interface BlobRequestOptions {
  /** Where the registry has the blob. */
  readonly url: URL;
  /** With authentication and redirects. */
  readonly registry: Dispatch;
  /** With redirects alone. */
  readonly target: Dispatch;
  readonly headers: Readonly<Record<string, string>>;
  /** Whose limits count. */
  readonly host: string;
  readonly guard: HttpRequest['guard'];
  readonly order: Order;
  /** Whether connections that stand proved too slow (R73). */
  readonly isOnNewConnection: () => boolean;
}

/** Asks for one blob, from where a redirect led as soon as one did (R53). */
export interface BlobRequest {
  /** @param range null for the whole, without a `Range` header */
  ask(range: ByteRange | null, receive: Receive, signal: AbortSignal): Promise<BlobReply>;
  /** Whether the reply came from elsewhere than the registry. */
  isFromTarget(head: ReplyHead): boolean;
  /**
   * The target refused: the next request goes to the registry.
   * @returns false when another one has found that out of the same target
   */
  forgetTarget(reply: BlobReply): boolean;
}

export interface BlobReply {
  readonly head: ReplyHead;
  /** What was asked without the registry. */
  readonly target: URL | null;
}

export function createBlobRequest(options: BlobRequestOptions): BlobRequest {
  const { url, host, headers, order } = options;
  let kept: URL | null = null;
  let isRedirected = false;
  /** The one request that asks the registry anew; the others wait for it (R87). */
  let resolving: Promise<void> | null = null;
  const isFromTarget = (head: ReplyHead): boolean => head.url.origin !== url.origin;

  const send = async (range: ByteRange | null, receive: Receive, signal: AbortSignal): Promise<BlobReply> => {
    const target = kept;
    let used = target;
    const request: HttpRequest = {
      method: 'GET',
      url: target ?? url,
      firstUrl: url,
      headers: range === null ? headers : { ...headers, range: formatRange(range) },
      wanted: 'blob',
      host,
      guard: target === null || options.guard === 'public' ? options.guard : guardOf(target, url),
      order,
      isOnNewConnection: options.isOnNewConnection(),
    };
    const dispatch = target === null ? options.registry : options.target;
    const noteTarget: Receive = (head) => {
      if (head.status < 300 && isFromTarget(head)) {
        kept = used = head.url;
        isRedirected = true;
      }
      return receive(head);
    };
    try {
      return { head: await dispatch(request, noteTarget, signal), target };
    } catch (error) {
      if (kept === used && !isAbort(error)) kept = null;
      throw error;
    }
  };

  return {
    ask: async (range, receive, signal) => {
      while (kept === null && resolving !== null) await orAborted(resolving, signal);
      if (kept !== null || !isRedirected) return send(range, receive, signal);
      let resolved = (): void => undefined;
      resolving = new Promise((resolve) => {
        resolved = () => {
          resolving = null;
          resolve();
        };
      });
      const answered: Receive = (head) => {
        const sink = receive(head);
        resolved();
        return sink;
      };
      try {
        return await send(range, answered, signal);
      } finally {
        resolved();
      }
    },
    isFromTarget,
    forgetTarget: ({ target }) => {
      if (target !== null && kept !== target) return false;
      kept = null;
      return true;
    },
  };
}

function isAbort(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'ABORTED';
}
