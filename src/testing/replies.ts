import type { Reply } from './reply.js';

/** A reply whose length is that of its body. */
export function makeReply(status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array): Reply {
  const bytes =
    typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return { status, headers: { ...headers, 'content-length': String(bytes.length) }, body: bytes };
}

/** The body of an error. @see OCI distribution-spec, "Error Codes" */
export function registryError(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message, detail: null }] });
}

/** What every registry says of itself. */
export const API_VERSION = { 'docker-distribution-api-version': 'registry/2.0' };

/** A 404 with an error code of the distribution-spec. */
export function notFound(code: string, what: string): Reply {
  return makeReply(
    404,
    { 'content-type': 'application/json', ...API_VERSION },
    registryError(code, `unknown: ${what}`),
  );
}
