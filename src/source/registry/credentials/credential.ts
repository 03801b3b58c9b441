import { createHmac, randomBytes } from 'node:crypto';

/** What one user shows a registry. */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** Is exchanged for tokens (registry R17). */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** Is the token itself (registry R18). */
  | { readonly kind: 'registry-token'; readonly token: string };

/** What a caller gives of itself: user and password, or a token in their place. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }
  | { readonly registryToken: string };

/**
 * Answers for one host and repository. It is asked when the registry wants a login, and again when its answer was
 * refused; calls with the same function count as one user's.
 * @returns null or undefined: it has nothing, the next place is asked
 */
export type CredentialsFunction = (
  host: string,
  repository: string,
) => Credentials | null | undefined | Promise<Credentials | null | undefined>;

const SALT = randomBytes(32);

/** Tells users apart without telling anything of their secrets. */
export function identityOf(credential: Credential | null): string {
  return credential === null ? 'anonymous' : digestOf(credential);
}

function digestOf(secret: Credential | Credentials): string {
  const sorted = Object.entries(secret).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHmac('sha256', SALT).update(JSON.stringify(sorted)).digest('base64url');
}

const functionNumbers = new WeakMap<CredentialsFunction, number>();
let functions = 0;

/** Whose call it is: calls that may see different images differ in it (registry R119). */
export function callerOf(given: Credentials | CredentialsFunction | undefined): string {
  if (given === undefined) return 'process';
  if (typeof given !== 'function') return digestOf(given);
  const number = functionNumbers.get(given) ?? ++functions;
  functionNumbers.set(given, number);
  return `function-${number}`;
}
