import { SluiceError } from '../../../errors.js';
import { orAborted } from '../../abort.js';
import { findEntry, readConfigFile, type ConfigFile } from './config-file.js';
import type { Credential, Credentials, CredentialsFunction } from './credential.js';
import { readEnvironmentCredential } from './environment.js';
import type { HelperMemory } from './helper-memory.js';
import { parseCredentials } from './parse-credentials.js';
import { containersAuthPaths, dockerConfigPath } from './places.js';
import { dockerServerOf, matchKeys, normalizeKey } from './registry-key.js';

export interface CredentialQuery {
  readonly host: string;
  readonly repository: string;
  /** Whether what was found before was refused. */
  readonly isFresh: boolean;
  readonly signal: AbortSignal;
}

export interface FoundCredential {
  /** Null: anonymous. */
  readonly credential: Credential | null;
  /** Why places that were asked had nothing; worth a warning each. */
  readonly problems: readonly string[];
}

export interface CredentialPlaces {
  readonly given: Credentials | CredentialsFunction | undefined;
  readonly helpers: HelperMemory;
}

type Problem = (text: string) => void;

/**
 * The first credential for a repository: of the call, the environment, docker's file, its helper programs, podman's files
 * (R26).
 * @throws SluiceError CONFIG_INVALID for what the call and the environment hold; ABORTED
 */
export async function findCredential(places: CredentialPlaces, query: CredentialQuery): Promise<FoundCredential> {
  const problems: string[] = [];
  const problem: Problem = (text) => void problems.push(text);
  const credential =
    (await askCall(places, query)) ??
    readEnvironmentCredential(query.host) ??
    (await askDocker(places, query, problem)) ??
    (await askContainers(places, query, problem));
  return { credential, problems };
}

async function askCall({ given }: CredentialPlaces, query: CredentialQuery): Promise<Credential | null> {
  if (given === undefined) return null;
  if (typeof given !== 'function') return parseCredentials(given, 'reading option "credentials"');
  const { host, repository, signal } = query;
  const doing = `asking the credentials function for ${host}`;
  const answer = await orAborted(callFunction(given, { host, repository, doing }), signal);
  return answer === null || answer === undefined ? null : parseCredentials(answer, doing);
}

/** What a function of the caller's throws may hold anything, and is left behind (R35). */
async function callFunction(
  given: CredentialsFunction,
  { host, repository, doing }: { readonly host: string; readonly repository: string; readonly doing: string },
): Promise<Credentials | null | undefined> {
  try {
    return await given(host, repository);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    const kind = error instanceof Error ? error.name : typeof error;
    throw new SluiceError('CONFIG_INVALID', { message: `${doing}: it threw ${kind}`, rule: 'registry R26' });
  }
}

async function askDocker(
  places: CredentialPlaces,
  query: CredentialQuery,
  problem: Problem,
): Promise<Credential | null> {
  const path = dockerConfigPath();
  const file = await readFileFor(path, problem);
  if (file === null) return null;
  const entry = findEntry(path, file, query, problem);
  if (entry !== null) return entry;
  const name = matchKeys(file.credHelpers, query.host, query.repository)[0]?.value ?? file.credsStore;
  return name === null ? null : askProgram(places, { ...query, name, server: dockerServerOf(query.host) }, problem);
}

async function askContainers(
  places: CredentialPlaces,
  query: CredentialQuery,
  problem: Problem,
): Promise<Credential | null> {
  for (const path of containersAuthPaths()) {
    const file = await readFileFor(path, problem);
    if (file === null) continue;
    const entry = findEntry(path, file, query, problem);
    if (entry !== null) return entry;
    const name = matchKeys(file.credHelpers, query.host, query.repository)[0]?.value;
    const server = normalizeKey(query.host);
    const answer = name === undefined ? null : await askProgram(places, { ...query, name, server }, problem);
    if (answer !== null) return answer;
  }
  return null;
}

async function readFileFor(path: string, problem: Problem): Promise<ConfigFile | null> {
  const reading = await readConfigFile(path);
  if (reading.kind === 'malformed') problem(reading.problem);
  return reading.kind === 'read' ? reading.file : null;
}

async function askProgram(
  { helpers }: CredentialPlaces,
  call: CredentialQuery & { readonly name: string; readonly server: string },
  problem: Problem,
): Promise<Credential | null> {
  const answer = await helpers.ask(call.name, call.server, call.isFresh, call.signal);
  if (answer.kind === 'failed') problem(answer.problem);
  return answer.kind === 'credential' ? answer.credential : null;
}
