import { spawn } from 'node:child_process';
import * as z from 'zod/mini';
import { errnoOf } from '../../../errors.js';
import { abortError, onAbort, throwIfAborted } from '../../abort.js';
import { parseJson } from '../body.js';
import { passwordOrToken } from './config-file.js';
import type { Credential } from './credential.js';

/** What a helper program answered; nothing of its output is in `problem`. */
export type HelperAnswer =
  | { readonly kind: 'credential'; readonly credential: Credential }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly problem: string };

export interface HelperCall {
  /** `docker-credential-<name>`. */
  readonly name: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export const HELPER_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024;
const NAME = /^[A-Za-z0-9._-]+$/;
/** The protocol's one sentence for a server that is not known. */
const NOT_FOUND = /credentials not found/i;

const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

/**
 * Asks a helper program for what it has of a server.
 * @throws SluiceError ABORTED; all other failures are answers
 * @see github.com/docker/docker-credential-helpers; registry R31, R32
 */
export async function askHelper(call: HelperCall, server: string): Promise<HelperAnswer> {
  const ended = await runHelper(call, 'get', `${server}\n`);
  if (ended.problem !== null) return NOT_FOUND.test(ended.output) ? { kind: 'none' } : failed(call, ended.problem);
  const answer = answerSchema.safeParse(parseJson(ended.output)).data;
  // What docker-credential-pass says, with status 0, of a server that it does not know (R32).
  if (answer?.Username === '' && answer.Secret === '') return { kind: 'none' };
  if (answer === undefined || answer.Secret === '') return failed(call, 'answers with no user and secret');
  return { kind: 'credential', credential: passwordOrToken(answer.Username, answer.Secret) };
}

/** @returns why it failed, else null */
export async function storeInHelper(
  call: HelperCall,
  entry: { readonly server: string; readonly username: string; readonly password: string },
): Promise<string | null> {
  const { server, username, password } = entry;
  const input = JSON.stringify({ ServerURL: server, Username: username, Secret: password });
  return problemOf(call, await runHelper(call, 'store', input));
}

/** @returns why it failed, else null; to hold nothing is no failure */
export async function eraseFromHelper(call: HelperCall, server: string): Promise<string | null> {
  const ended = await runHelper(call, 'erase', `${server}\n`);
  return NOT_FOUND.test(ended.output) ? null : problemOf(call, ended);
}

interface Ended {
  readonly output: string;
  readonly problem: string | null;
}

/** Without a shell; what goes wrong with its input shows in its status. */
async function runHelper(
  { name, signal, timeoutMs }: HelperCall,
  action: 'get' | 'store' | 'erase',
  input: string,
): Promise<Ended> {
  throwIfAborted(signal);
  if (!NAME.test(name)) return { output: '', problem: 'has a name that no program has' };
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${name}`, [action], { stdio: ['pipe', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      release();
      child.kill('SIGKILL');
      child.stdout.destroy(); // a child of its own may hold it open
      finish();
    };
    const end = (problem: string | null): void =>
      settle(() => resolve({ output: Buffer.concat(chunks).toString('utf8'), problem }));
    const timer = setTimeout(() => end(`did not answer within ${timeoutMs / 1000} s`), timeoutMs);
    const release = onAbort(signal, () => settle(() => reject(abortError(signal))));
    child.on('error', (error) => end(errnoOf(error) === 'ENOENT' ? 'was not found' : `failed (${errnoOf(error)})`));
    child.on('close', (code, killedBy) => end(code === 0 ? null : `failed (${killedBy ?? `status ${code}`})`));
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_OUTPUT_BYTES) return end(`answers with more than ${MAX_OUTPUT_BYTES} bytes`);
      chunks.push(chunk);
    });
    child.stdin.on('error', () => undefined).end(input);
  });
}

function failed({ name }: HelperCall, problem: string): HelperAnswer {
  return { kind: 'failed', problem: `docker-credential-${name} ${problem}` };
}

function problemOf({ name }: HelperCall, { problem }: Ended): string | null {
  return problem === null ? null : `docker-credential-${name} ${problem}`;
}
