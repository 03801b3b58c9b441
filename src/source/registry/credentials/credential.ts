import { createHmac, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { SluiceError } from '../../../errors.js';

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

const NO_CONTROLS = /^\P{Cc}+$/u;
/** A colon would end the name within Basic. */
const USERNAME = /^[^:\p{Cc}]+$/u;
const HEADER_SAFE = /^[\x21-\x7e]+$/;

const schema = z.union([
  z.strictObject({ username: z.string().regex(USERNAME), password: z.string().regex(NO_CONTROLS) }),
  z.strictObject({ identityToken: z.string().regex(NO_CONTROLS) }),
  z.strictObject({ registryToken: z.string().regex(HEADER_SAFE) }),
]);

export function isCredentialsForm(value: unknown): value is Credentials {
  return schema.safeParse(value).success;
}

/**
 * @param doing what is being read, for the message; nothing of the value is shown
 * @throws SluiceError CONFIG_INVALID
 */
export function parseCredentials(value: unknown, doing: string): Credential {
  const given = schema.safeParse(value).data;
  if (given === undefined) {
    const message = `${doing}: neither a user name and a password nor a token`;
    throw new SluiceError('CONFIG_INVALID', { message, rule: 'registry R26' });
  }
  if ('username' in given) return { kind: 'password', ...given };
  if ('identityToken' in given) return { kind: 'identity-token', token: given.identityToken };
  return { kind: 'registry-token', token: given.registryToken };
}

const SALT = randomBytes(32);

/** Tells users apart without telling anything of their secrets. */
export function identityOf(credential: Credential | null): string {
  if (credential === null) return 'anonymous';
  return createHmac('sha256', SALT).update(JSON.stringify(credential)).digest('base64url');
}

const functionNumbers = new WeakMap<CredentialsFunction, number>();
let functions = 0;

/** Whose call it is: calls that may see different images differ in it (registry R119). */
export function callerOf(given: Credentials | CredentialsFunction | undefined): string {
  if (given === undefined) return 'process';
  if (typeof given !== 'function') return identityOf(parseCredentials(given, 'reading option "credentials"'));
  const number = functionNumbers.get(given) ?? ++functions;
  functionNumbers.set(given, number);
  return `function-${number}`;
}
