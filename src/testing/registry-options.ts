import type { ServerOptions } from 'node:https';
import type { Fault, RedirectStatus } from './faults.js';

/** How the registry of a test behaves while nothing goes wrong. */
export interface RegistryOptions {
  /** 0, a free one, when left out. */
  readonly port?: number;
  readonly auth?: RegistryAuth;
  /** Blobs are not served but redirected. */
  readonly redirect?: BlobRedirect;
  /** Whether Range is honoured; true when left out. */
  readonly hasRanges?: boolean;
  /** Texts of `Warning: 299 - "…"` headers on manifests. */
  readonly warnings?: readonly string[];
  /** `ratelimit-limit` and `ratelimit-remaining` on manifests, as Docker Hub sends them. */
  readonly rateLimit?: { readonly limit: number; readonly remaining: number; readonly windowSeconds: number };
  /** On every reply. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly faults?: readonly Fault[];
  /** Serves https with this key and certificate. */
  readonly tls?: Pick<ServerOptions, 'key' | 'cert' | 'ca' | 'requestCert' | 'rejectUnauthorized'>;
}

/** What the registry asks of a client. */
export type RegistryAuth =
  | {
      readonly kind: 'token';
      /** `registry.test` when left out. */
      readonly service?: string;
      /** Without credentials, anybody gets a token. */
      readonly credentials?: RegistryCredentials;
      /** An identity token that the POST form accepts in place of credentials. */
      readonly identityToken?: string;
      /** What the token reply says, and how long the registry accepts it; 300 when left out. */
      readonly expiresInSeconds?: number;
      /** The field that holds the token; `token` when left out. */
      readonly field?: 'token' | 'access_token';
      /** Another realm than the registry's own `/token`. */
      readonly realm?: string;
    }
  | { readonly kind: 'basic'; readonly credentials: RegistryCredentials };

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Where blobs are redirected to: another path of the registry, or a second server on a port of its own. */
export interface BlobRedirect {
  readonly to: 'path' | 'server';
  /** 307 when left out. */
  readonly status?: RedirectStatus;
  /** Whether the target answers 400 when `Authorization` arrives, as object stores do; true when left out. */
  readonly refusesAuthorization?: boolean;
}
