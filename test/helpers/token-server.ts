import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createAuthority } from './certificates.js';
import type { Cleanup } from './temporary.js';

/** What was asked of a token server. */
export interface TokenRequest {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly authorization: string | null;
  readonly form: Readonly<Record<string, string>>;
}

/** A token server whose tokens a docker-registry trusts that has {@link TokenServer.auth} in its config. */
export interface TokenServer {
  readonly auth: unknown;
  readonly requests: TokenRequest[];
  /** Tokens handed out, oldest first. */
  readonly tokens: string[];
  /** Seconds from now until a new token ends; the registry allows 60 more. */
  lifetimeSeconds: number;
  /** Makes a token for anything. */
  issue(repository: string, actions: readonly string[]): string;
}

const SERVICE = 'registry of a test';
const ISSUER = 'issuer of a test';
const HOUR = 3600;

/** @param user who may have tokens, by password or identity token */
export async function startTokenServer(
  t: Cleanup,
  user: { readonly username: string; readonly password: string; readonly identityToken: string },
): Promise<TokenServer> {
  const authority = await createAuthority(t);
  const pair = await authority.issue('DNS:tokens.test');
  const header = encode({ typ: 'JWT', alg: 'ES256', x5c: [await authority.derOf(pair)] });
  const key = createPrivateKey(pair.key);
  const requests: TokenRequest[] = [];
  const tokens: string[] = [];

  const issue = (access: readonly unknown[], lifetimeSeconds: number): string => {
    const now = Math.floor(Date.now() / 1000);
    const times = { exp: now + lifetimeSeconds, nbf: now - 2 * HOUR, iat: now - 2 * HOUR };
    const claims = encode({ iss: ISSUER, aud: SERVICE, sub: user.username, jti: randomUUID(), ...times, access });
    const signature = sign('sha256', Buffer.from(`${header}.${claims}`), { key, dsaEncoding: 'ieee-p1363' });
    return `${header}.${claims}.${signature.toString('base64url')}`;
  };
  const basic = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`;

  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const form = new URLSearchParams(body);
      const query = request.method === 'POST' ? form : new URL(request.url ?? '/', 'http://x').searchParams;
      const scopes = query.getAll('scope').flatMap((scope) => scope.split(' '));
      const authorization = request.headers.authorization ?? null;
      requests.push({ method: request.method ?? '', scopes, authorization, form: Object.fromEntries(form) });
      const isUser =
        request.method === 'POST' ? form.get('refresh_token') === user.identityToken : authorization === basic;
      if (!isUser || query.get('service') !== SERVICE) return void response.writeHead(401).end();
      const access = scopes.map((scope) => {
        const [type, name, actions = ''] = scope.split(':');
        return { type, name, actions: actions.split(',') };
      });
      const token = issue(access, tokenServer.lifetimeSeconds);
      tokens.push(token);
      response.end(JSON.stringify({ access_token: token, expires_in: 300 }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const tokenServer: TokenServer = {
    auth: { token: { realm, service: SERVICE, issuer: ISSUER, rootcertbundle: authority.certificateFile } },
    requests,
    tokens,
    lifetimeSeconds: HOUR,
    issue: (name, actions) => issue([{ type: 'repository', name, actions }], HOUR),
  };
  return tokenServer;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
