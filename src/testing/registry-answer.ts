import type { IncomingMessage } from 'node:http';
import { isDigest } from '../oci/digest.js';
import { answerToken, challengeOf, isAllowed } from './registry-auth.js';
import type { State } from './registry-content.js';
import { parseRange, parseRequest, type Asked } from './registry-request.js';
import { API_VERSION, makeReply, notFound, registryError } from './replies.js';
import type { Reply } from './reply.js';

/** What is answered while nothing goes wrong. */
export interface Answered {
  readonly reply: Reply;
  /** The whole of what a range would be cut from. */
  readonly content: Buffer | null;
}

export function answer(state: State, asked: Asked, body: string): Answered {
  const only = (reply: Reply): Answered => ({ reply, content: null });
  if (asked.kind === 'token') return only(answerToken(state, asked, body));
  if (asked.hops !== null) return answerHop(state, asked, asked.hops, body);
  if (asked.kind === 'target') return answerTarget(state, asked);
  if (!isAllowed(state, asked)) {
    const challenge = challengeOf(state, asked.repository) ?? '';
    const headers = { 'content-type': 'application/json', 'www-authenticate': challenge };
    return only(makeReply(401, headers, registryError('UNAUTHORIZED', 'authentication required')));
  }
  switch (asked.kind) {
    case 'ping':
      return only(makeReply(200, { 'content-type': 'application/json', ...API_VERSION }, '{}'));
    case 'manifest':
      return answerManifest(state, asked);
    case 'config':
    case 'blob':
      return answerBlob(state, asked);
    case 'tags':
      return only(answerTags(state, asked));
    case 'other':
      return only(notFound('UNSUPPORTED', asked.url));
    default:
      return asked.kind satisfies never;
  }
}

function answerManifest(state: State, asked: Asked): Answered {
  const repository = state.content.find(asked.repository ?? '');
  if (!repository) return { reply: notFound('NAME_UNKNOWN', asked.repository ?? ''), content: null };
  const found = repository.manifests.get(asked.what);
  if (!found) return { reply: notFound('MANIFEST_UNKNOWN', asked.what), content: null };
  const { warnings, rateLimit } = state.options;
  const headers: Record<string, string> = {
    'content-type': found.mediaType,
    'docker-content-digest': found.digest,
    etag: `"${found.digest}"`,
    ...API_VERSION,
  };
  if (warnings) headers['warning'] = warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ');
  if (rateLimit) {
    headers['ratelimit-limit'] = `${rateLimit.limit};w=${rateLimit.windowSeconds}`;
    headers['ratelimit-remaining'] = `${rateLimit.remaining};w=${rateLimit.windowSeconds}`;
  }
  return { reply: makeReply(200, headers, found.bytes), content: found.bytes };
}

function answerBlob(state: State, asked: Asked): Answered {
  const bytes = state.content.find(asked.repository ?? '')?.blobs.get(asked.what);
  if (!bytes) return { reply: notFound('BLOB_UNKNOWN', asked.what), content: null };
  const { redirect } = state.options;
  if (!redirect) return { reply: blobReply(state, asked, bytes), content: bytes };
  const path = `/target/${asked.repository}/${asked.what}?ticket=${++state.tickets}`;
  return {
    reply: makeReply(redirect.status ?? 307, { location: `${state.targetUrl ?? ''}${path}` }, ''),
    content: null,
  };
}

function answerTarget(state: State, asked: Asked): Answered {
  const refuses = state.options.redirect?.refusesAuthorization ?? true;
  if (refuses && asked.headers.authorization !== undefined) {
    const text = '<Error><Code>InvalidArgument</Code><Message>one way to authenticate only</Message></Error>';
    return { reply: makeReply(400, { 'content-type': 'application/xml' }, text), content: null };
  }
  const bytes = state.content.find(asked.repository ?? '')?.blobs.get(asked.what);
  if (!bytes) return { reply: makeReply(404, { 'content-type': 'application/xml' }, '<Error/>'), content: null };
  return { reply: blobReply(state, asked, bytes), content: bytes };
}

function answerHop(state: State, asked: Asked, hops: number, body: string): Answered {
  const to = asked.query.get('to') ?? '/';
  if (hops > 0) {
    const rest = `to=${encodeURIComponent(to)}&status=${asked.query.get('status')}`;
    const reply = makeReply(Number(asked.query.get('status')), { location: `/hop/${hops - 1}?${rest}` }, '');
    return { reply, content: null };
  }
  const request = { url: to, method: asked.method, headers: asked.headers } as IncomingMessage;
  const last = parseRequest(request, 'registry', state.content);
  const isEnd = last.hops !== null;
  return isEnd ? { reply: notFound('UNSUPPORTED', to), content: null } : answer(state, last, body);
}

function blobReply(state: State, asked: Asked, bytes: Buffer): Reply {
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': asked.what,
    etag: `"${asked.what}"`,
    ...(state.options.hasRanges !== false && { 'accept-ranges': 'bytes' }),
    ...API_VERSION,
  };
  const wanted = asked.headers.range;
  if (state.options.hasRanges === false || wanted === undefined || !/^bytes=(\d+-\d*|-\d+)$/.test(wanted)) {
    return makeReply(200, headers, bytes);
  }
  const range = parseRange(wanted, bytes.length);
  if (!range) return makeReply(416, { ...headers, 'content-range': `bytes */${bytes.length}` }, '');
  const contentRange = `bytes ${range.start}-${range.end - 1}/${bytes.length}`;
  return makeReply(206, { ...headers, 'content-range': contentRange }, bytes.subarray(range.start, range.end));
}

function answerTags(state: State, asked: Asked): Reply {
  const repository = state.content.find(asked.repository ?? '');
  if (!repository || asked.what !== 'list') return notFound('NAME_UNKNOWN', asked.repository ?? '');
  const tags = [...repository.manifests.keys()].filter((key) => !isDigest(key)).toSorted();
  return makeReply(200, { 'content-type': 'application/json' }, JSON.stringify({ name: asked.repository, tags }));
}
