import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What of a test's context is used here; a hook of `node:test` has it too. */
export interface Cleanup {
  after(undo: () => void | Promise<void>): void;
}

/** A new directory, removed with all that is in it after the test. */
export function temporaryDirectory(t: Cleanup, name = 'sluice-test', base: string = tmpdir()): string {
  const path = mkdtempSync(join(base, `${name}-`));
  t.after(() => removeTree(path));
  return path;
}

function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    openTree(path);
    rmSync(path, { recursive: true, force: true });
  }
}

/** Extracted layers may hold directories that their owner can't enter. */
function openTree(path: string): void {
  if (!lstatSync(path).isDirectory()) return;
  chmodSync(path, 0o700);
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    const child = Buffer.concat([Buffer.from(`${path}/`), name]);
    if (lstatSync(child).isDirectory()) openTree(child as unknown as string);
  }
}

/** Runs undo steps of one case at once: a property makes hundreds of trees. */
export async function withCleanup(run: (t: Cleanup) => void | Promise<void>): Promise<void> {
  const steps: (() => void | Promise<void>)[] = [];
  try {
    await run({ after: (undo) => void steps.push(undo) });
  } finally {
    for (const undo of steps) await undo();
  }
}

const ISOLATED = ['DOCKER_CONFIG', 'REGISTRY_AUTH_FILE', 'MICROSANDBOX_HOME', 'OCI_REGISTRY_DOMAIN'];
const isIsolated = (name: string): boolean =>
  ISOLATED.includes(name) || /^(XDG_|SLUICE_)/.test(name) || /^(https?|all|no|ftp)_proxy$/i.test(name);

/**
 * An environment in which nothing points at the real user's files: HOME is `home`, XDG_RUNTIME_DIR a directory in it that is
 * not there (unset, it would be one of the machine), and DOCKER_CONFIG, REGISTRY_AUTH_FILE, the other `XDG_*`, `*_PROXY`,
 * `SLUICE_*`, MICROSANDBOX_HOME and OCI_REGISTRY_DOMAIN are unset.
 * @param variables set on top; undefined unsets
 */
export function isolatedEnvironment(
  home: string,
  variables: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !isIsolated(name));
  const own = { HOME: home, XDG_RUNTIME_DIR: join(home, 'runtime') };
  const wanted = Object.entries({ ...Object.fromEntries(kept), ...own, ...variables });
  return Object.fromEntries(wanted.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/**
 * Puts {@link isolatedEnvironment} into `process.env` until the test is over.
 * @returns the home directory, which is new
 */
export function isolateEnvironment(t: Cleanup, variables: Readonly<Record<string, string | undefined>> = {}): string {
  const home = temporaryDirectory(t, 'sluice-home');
  const before = { ...process.env };
  replaceEnvironment(isolatedEnvironment(home, variables));
  t.after(() => replaceEnvironment(before));
  return home;
}

/** The same for a whole test file, with a home that is not there. */
export function isolateProcess(): void {
  replaceEnvironment(isolatedEnvironment('/nonexistent/sluice-home'));
}

function replaceEnvironment(wanted: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (wanted[name] === undefined) delete process.env[name];
  Object.assign(process.env, wanted);
}
