import { randomBytes } from 'node:crypto';
import { mkdir, open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, fileSystemError, SluiceError } from '../../../errors.js';
import { type ConfigFile, readConfigFile } from './config-file.js';
import { eraseFromHelper, type HelperCall, HELPER_TIMEOUT_MS, storeInHelper } from './helper.js';
import { dockerServerOf, matchKeys, normalizeKey } from './registry-key.js';

/** Where credentials of a host are kept. */
export interface Keeping {
  readonly path: string;
  readonly host: string;
  /** docker's names of servers, or those of podman's files. */
  readonly form: 'docker' | 'containers';
  readonly signal: AbortSignal;
}

/** What holds them, for the user to know. */
export interface Kept {
  readonly file: string;
  /** The helper program that holds the secret; null: the file does. */
  readonly helper: string | null;
}

/** @throws SluiceError CONFIG_INVALID for a file that cannot be kept as it is */
export async function openKeeping({ path }: Keeping): Promise<ConfigFile | null> {
  const reading = await readConfigFile(path);
  if (reading.kind !== 'malformed') return reading.kind === 'read' ? reading.file : null;
  const message = `reading the credential file ${reading.problem}`;
  throw new SluiceError('CONFIG_INVALID', { message, rule: 'registry R34', hint: `Correct ${path}, or move it away.` });
}

/**
 * Keeps user and password in the helper program that the file names for the host, else in the file.
 * @throws SluiceError CONFIG_INVALID when the helper fails, STORE_FAILED, DISK_FULL
 */
export async function keepCredential(
  keeping: Keeping,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<Kept> {
  const file = await openKeeping(keeping);
  const helper = helperOf(file, keeping);
  if (helper !== null) {
    const server = serverOf(keeping);
    checkHelper(await storeInHelper(callOf(helper, keeping), { server, username, password }), keeping);
  }
  const auth = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
  // docker marks what a helper holds by an empty entry.
  await editAuths(keeping, (others) => ({ ...others, [serverOf(keeping)]: helper === null ? { auth } : {} }));
  return { file: keeping.path, helper };
}

/** @returns whether there was something to forget */
export async function forgetCredential(keeping: Keeping): Promise<boolean> {
  const file = await openKeeping(keeping);
  if (file === null) return false;
  const helper = helperOf(file, keeping);
  if (helper !== null) checkHelper(await eraseFromHelper(callOf(helper, keeping), serverOf(keeping)), keeping);
  const isInFile = matchKeys(file.auths, keeping.host, '').length > 0;
  if (isInFile) await editAuths(keeping, (others) => others);
  return isInFile || helper !== null;
}

function helperOf(file: ConfigFile | null, { host, form }: Keeping): string | null {
  if (file === null) return null;
  return matchKeys(file.credHelpers, host, '')[0]?.value ?? (form === 'docker' ? file.credsStore : null);
}

function callOf(name: string, { signal }: Keeping): HelperCall {
  return { name, signal, timeoutMs: HELPER_TIMEOUT_MS };
}

function serverOf({ host, form }: Keeping): string {
  return form === 'docker' ? dockerServerOf(host) : normalizeKey(host);
}

function checkHelper(problem: string | null, { host, path }: Keeping): void {
  if (problem === null) return;
  throw new SluiceError('CONFIG_INVALID', {
    message: `keeping the login of ${host}: ${problem}`,
    rule: 'registry R34',
    hint: `${path} names this helper program for the host: install it, or change credHelpers or credsStore there.`,
  });
}

type Auths = Readonly<Record<string, unknown>>;

/** Every other key stays as it was. @param edit gets the entries of other hosts */
async function editAuths(keeping: Keeping, edit: (others: Auths) => Auths): Promise<void> {
  const reading = await readConfigFile(keeping.path);
  const whole = reading.kind === 'read' ? (JSON.parse(reading.text) as Record<string, unknown>) : {};
  const auths = reading.kind === 'read' ? reading.file.auths : {};
  const host = normalizeKey(keeping.host);
  const others = Object.fromEntries(Object.entries(auths).filter(([key]) => normalizeKey(key) !== host));
  const text = JSON.stringify({ ...whole, auths: edit(others) }, null, '\t');
  try {
    await replaceFile(keeping.path, `${text}\n`);
  } catch (error) {
    throw fileSystemError(`writing the credential file "${keeping.path}"`, error);
  }
}

/** Readers see the old file or the new one, and nobody but the owner sees either. A link stays one. */
async function replaceFile(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return path;
    throw error;
  });
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(8).toString('hex')}`);
  try {
    await using file: FileHandle = await open(temporary, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
