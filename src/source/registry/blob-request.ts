import type { Dispatch, HttpRequest, Receive, ReplyHead } from './http.js';
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
}

/** Asks for one blob, from where a redirect led as soon as one did (R53). */
export interface BlobRequest {
  /** @param range null for the whole, without a `Range` header */
  ask(range: ByteRange | null, receive: Receive, signal: AbortSignal): Promise<ReplyHead>;
  /** Whether the reply came from elsewhere than the registry. */
  isFromTarget(head: ReplyHead): boolean;
  /** Goes back to the registry with the next request. */
  forgetTarget(): void;
}

export function createBlobRequest({ url, registry, target, headers, host }: BlobRequestOptions): BlobRequest {
  let kept: URL | null = null;
  const isFromTarget = (head: ReplyHead): boolean => head.url.origin !== url.origin;
  return {
    ask: (range, receive, signal) => {
      const request: HttpRequest = {
        method: 'GET',
        url: kept ?? url,
        firstUrl: url,
        headers: range === null ? headers : { ...headers, range: formatRange(range) },
        wanted: 'blob',
        host,
        guard: kept === null ? 'any' : guardOf(kept, url),
      };
      const dispatch = kept === null ? registry : target;
      return dispatch(
        request,
        (head) => {
          if (head.status < 300 && isFromTarget(head)) kept = head.url;
          return receive(head);
        },
        signal,
      );
    },
    isFromTarget,
    forgetTarget: () => {
      kept = null;
    },
  };
}
