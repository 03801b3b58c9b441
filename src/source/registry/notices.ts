import { printable } from './body.js';
import { type Dispatch, headerOf, headersOf, type ReplyHead } from './http.js';

export type Notice = (level: 'debug' | 'info' | 'warn', message: string, host: string) => void;

/** Turns what replies say beside their content into notices, each text once (R11). */
export function withNotices(dispatch: Dispatch, notice: Notice): Dispatch {
  const said = new Set<string>();
  const once = (level: 'info' | 'warn', message: string, host: string): void => {
    if (said.has(message)) return;
    said.add(message);
    notice(level, message, host);
  };
  return (request, receive, signal) =>
    dispatch(
      request,
      (head) => {
        for (const warning of warningsOf(head)) once('warn', `the registry warns: ${warning}`, request.host);
        if (head.status === 429) once('warn', patienceOf(head), request.host);
        const limit = rateLimitOf(head);
        if (limit !== null) once('info', limit, request.host);
        return receive(head);
      },
      signal,
    );
}

/** @see OCI distribution-spec, "Warnings": `299 - "text"` alone counts */
function warningsOf(head: ReplyHead): string[] {
  return headersOf(head, 'warning').flatMap((value) =>
    [...value.matchAll(/(?:^|,)\s*299\s+\S+\s+"((?:[^"\\]|\\[^])*)"/g)].map(([, text = '']) =>
      printable(text.replace(/\\([^])/g, '$1')),
    ),
  );
}

/** Nothing else tells why a pull stands still for minutes (R70). */
function patienceOf(head: ReplyHead): string {
  const after = printable(headerOf(head, 'retry-after') ?? '');
  return `the registry asks for patience (HTTP 429)${after === '' ? '' : `, Retry-After: ${after}`}`;
}

/** Docker Hub's `76;w=21600`: 76 pulls in so many seconds. */
function rateLimitOf(head: ReplyHead): string | null {
  const limit = parseQuota(headerOf(head, 'ratelimit-limit'));
  const remaining = parseQuota(headerOf(head, 'ratelimit-remaining'));
  if (limit === null || remaining === null) return null;
  const window = limit.seconds === null ? '' : ` in ${limit.seconds} s`;
  return `${remaining.count} of ${limit.count} pulls${window} are left`;
}

function parseQuota(text: string | null): { count: number; seconds: number | null } | null {
  const match = /^([0-9]{1,9})(?:;w=([0-9]{1,9}))?$/.exec(text ?? '');
  if (match === null) return null;
  return { count: Number(match[1]), seconds: match[2] === undefined ? null : Number(match[2]) };
}
