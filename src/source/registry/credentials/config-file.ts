import { readFile } from 'node:fs/promises';
import * as z from 'zod/mini';
import { errnoOf } from '../../../errors.js';
import type { Credential } from './credential.js';
import { placeOfJsonError } from './json-error.js';
import { matchKeys } from './registry-key.js';

/** A credential file of docker or podman, as far as it matters here. */
export interface ConfigFile {
  readonly auths: Readonly<Record<string, unknown>>;
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string | null;
}

/** What a file has to say, or why nothing. */
export type FileReading =
  | { readonly kind: 'read'; readonly file: ConfigFile; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'malformed'; readonly problem: string };

const MAX_FILE_BYTES = 4 * 1024 * 1024;

const fileSchema = z.looseObject({
  auths: z.nullish(z.record(z.string(), z.unknown())),
  credHelpers: z.nullish(z.record(z.string(), z.string())),
  credsStore: z.nullish(z.string()),
});

const entrySchema = z.looseObject({
  auth: z.optional(z.string()),
  username: z.optional(z.string()),
  password: z.optional(z.string()),
  identitytoken: z.optional(z.string()),
  registrytoken: z.optional(z.string()),
});

/** Absent and unreadable are the same: a user without a file, or without the right to it, has no credentials there. */
export async function readConfigFile(path: string): Promise<FileReading> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return { kind: 'absent' };
  }
  return parseConfigFile(path, text);
}

/** Nothing of the text is in the problem, but for where it lies (R35). */
export function parseConfigFile(path: string, text: string): FileReading {
  const malformed = (why: string): FileReading => ({ kind: 'malformed', problem: `${path}: ${why}` });
  if (text.length > MAX_FILE_BYTES) return malformed('too large for a credential file');
  if (text.trim() === '') return { kind: 'absent' };
  const place = placeOfJsonError(text);
  if (place !== null) return malformed(`no JSON at ${place}`);
  const parsed = fileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) return malformed(`"${parsed.error.issues[0]?.path.join('.') ?? ''}" has the wrong form`);
  const { auths, credHelpers, credsStore } = parsed.data;
  const file = { auths: auths ?? {}, credHelpers: credHelpers ?? {}, credsStore: credsStore || null };
  return { kind: 'read', file, text };
}

/** What an entry of `auths` holds. */
type Entry =
  | { readonly kind: 'credential'; readonly credential: Credential }
  | { readonly kind: 'empty' }
  | { readonly kind: 'malformed'; readonly problem: string };

/**
 * The entry of `auths` for a repository (R27, R30). Empty ones, which docker writes beside a `credsStore`, are passed over.
 * @param problem takes what is wrong with an entry that would have counted
 */
export function findEntry(
  path: string,
  { auths }: ConfigFile,
  { host, repository }: { readonly host: string; readonly repository: string },
  problem: (text: string) => void,
): Credential | null {
  for (const { key, value } of matchKeys(auths, host, repository)) {
    const entry = parseEntry(value);
    if (entry.kind === 'credential') return entry.credential;
    if (entry.kind === 'malformed') problem(`${path}: "auths" has an entry "${key}" ${entry.problem}`);
  }
  return null;
}

function parseEntry(value: unknown): Entry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) return { kind: 'malformed', problem: 'of the wrong form' };
  const { auth, username, password, identitytoken, registrytoken } = parsed.data;
  if (identitytoken) return found({ kind: 'identity-token', token: identitytoken });
  if (registrytoken) {
    if (!/^[\x21-\x7e]+$/.test(registrytoken)) return { kind: 'malformed', problem: 'whose registrytoken is no token' };
    return found({ kind: 'registry-token', token: registrytoken });
  }
  if (auth) return parseAuth(auth);
  return username && password ? found(passwordOrToken(username, password)) : { kind: 'empty' };
}

function parseAuth(auth: string): Entry {
  const isBase64 = /^[A-Za-z0-9+/_-]+={0,2}\s*$/.test(auth);
  // docker once padded the text with zeros
  const text = isBase64 ? Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '') : '';
  const colon = text.indexOf(':');
  if (colon < 1) return { kind: 'malformed', problem: 'whose auth is not the base64 of user:password' };
  return found(passwordOrToken(text.slice(0, colon), text.slice(colon + 1)));
}

/** The user `<token>` says that the password is an identity token. */
export function passwordOrToken(username: string, password: string): Credential {
  return username === '<token>'
    ? { kind: 'identity-token', token: password }
    : { kind: 'password', username, password };
}

function found(credential: Credential): Entry {
  return { kind: 'credential', credential };
}
