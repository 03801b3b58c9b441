import { randomBytes } from 'node:crypto';
import type { State } from './registry-content.js';
import type { RegistryAuth, RegistryCredentials } from './registry-options.js';
import type { Asked } from './registry-request.js';
import { makeReply, notFound, registryError } from './replies.js';
import type { Reply } from './reply.js';

/** The WWW-Authenticate of the registry, with a scope when a repository is asked for; null without authentication. */
export function challengeOf(state: State, repository: string | null): string | null {
  const { auth } = state.options;
  if (!auth) return null;
  if (auth.kind === 'basic') return 'Basic realm="registry.test"';
  const parts = [`realm="${auth.realm ?? `${state.url}/token`}"`, `service="${auth.service ?? 'registry.test'}"`];
  if (repository !== null) parts.push(`scope="repository:${repository}:pull"`);
  return `Bearer ${parts.join(',')}`;
}

/** Whether the request's Authorization opens what it asks for. */
export function isAllowed(state: State, asked: Asked): boolean {
  const { auth } = state.options;
  const given = asked.headers.authorization ?? '';
  if (!auth) return true;
  if (auth.kind === 'basic') return given === basicHeader(auth.credentials);
  const token = state.tokens.get(/^Bearer (.+)$/i.exec(given)?.[1] ?? '');
  if (!token || token.expiresAt <= Date.now()) return false;
  return asked.repository === null || token.scopes.some((scope) => isPullScope(scope, asked.repository!));
}

function isPullScope(scope: string, repository: string): boolean {
  const prefix = `repository:${repository}:`;
  return scope.startsWith(prefix) && scope.slice(prefix.length).split(',').includes('pull');
}

/** The token endpoint: GET, and POST with `grant_type` password or refresh_token. */
export function answerToken(state: State, asked: Asked, body: string): Reply {
  const { auth } = state.options;
  if (auth?.kind !== 'token') return notFound('UNSUPPORTED', asked.url);
  const fields = asked.method === 'POST' ? new URLSearchParams(body) : asked.query;
  if (!isKnownUser(auth, asked, fields)) {
    const json = { 'content-type': 'application/json' };
    return makeReply(401, json, registryError('UNAUTHORIZED', 'wrong credentials'));
  }
  const token = randomBytes(16).toString('hex');
  const scopes = fields.getAll('scope').flatMap((scope) => scope.split(' '));
  const seconds = auth.expiresInSeconds ?? 300;
  state.tokens.set(token, { scopes, expiresAt: Date.now() + seconds * 1000 });
  const reply = { [auth.field ?? 'token']: token, expires_in: seconds, issued_at: new Date().toISOString() };
  return makeReply(200, { 'content-type': 'application/json' }, JSON.stringify(reply));
}

function isKnownUser(auth: Extract<RegistryAuth, { kind: 'token' }>, asked: Asked, fields: URLSearchParams): boolean {
  if (asked.method === 'POST' && fields.get('grant_type') === 'refresh_token') {
    return auth.identityToken !== undefined && fields.get('refresh_token') === auth.identityToken;
  }
  if (auth.identityToken === undefined && auth.credentials === undefined) return true;
  if (auth.credentials === undefined) return false;
  const { username, password } = auth.credentials;
  if (asked.method === 'POST') return fields.get('username') === username && fields.get('password') === password;
  return asked.headers.authorization === basicHeader(auth.credentials);
}

function basicHeader({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
