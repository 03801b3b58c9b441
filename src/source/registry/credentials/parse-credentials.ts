import * as z from 'zod/mini';
import { SluiceError } from '../../../errors.js';
import type { Credential, Credentials } from './credential.js';

const NO_CONTROLS = /^\P{Cc}+$/u;
/** A colon would end the name within Basic. */
const USERNAME = /^[^:\p{Cc}]+$/u;
const HEADER_SAFE = /^[\x21-\x7e]+$/;

const matching = (pattern: RegExp): z.ZodMiniString => z.string().check(z.regex(pattern));

const schema = z.union([
  z.strictObject({ username: matching(USERNAME), password: matching(NO_CONTROLS) }),
  z.strictObject({ identityToken: matching(NO_CONTROLS) }),
  z.strictObject({ registryToken: matching(HEADER_SAFE) }),
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
