import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NATIVE = fileURLToPath(new URL('../../../native/', import.meta.url));
/** A copy of the package, so that the usual build stays as it is. */
export const SANITIZED: string = join(NATIVE, 'build-sanitize');

const SANITIZERS = '-fsanitize=address,undefined,float-cast-overflow';
const CFLAGS = `${SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer -g`;

/** Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer; a report of either ends the process. */
export function buildSanitizedAddon(): void {
  mkdirSync(SANITIZED, { recursive: true });
  for (const name of ['package.json', 'index.cjs', 'install.cjs', 'binding.gyp', 'src']) {
    cpSync(join(NATIVE, name), join(SANITIZED, name), { recursive: true });
  }
  const { status } = spawnSync(process.execPath, ['install.cjs'], {
    cwd: SANITIZED,
    stdio: 'inherit',
    env: { ...process.env, CFLAGS, LDFLAGS: SANITIZERS },
  });
  if (status !== 0) throw new Error('building the sanitized addon failed');
}

/** The runtime that must be in a process before anything else: Node itself is not built with it. */
export function findRuntime(): string {
  return execFileSync(process.env['CC'] ?? 'cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
}
