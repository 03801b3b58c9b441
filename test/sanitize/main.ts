/**
 * `npm run test:sanitize` builds the addon with sanitizers beside the usual build, and runs the tests that use it most
 * against that; parts of paths choose other tests. Whatever is reported ends its process; reports of AddressSanitizer fail
 * the run even where a test expects its process to die.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSanitizedAddon, findRuntime, SANITIZED } from './build-addon.js';

const TESTED = ['native/', 'layer/', 'rules/extraction/', 'fuzz/', 'transfer/slabs', 'rootfs/', 'upkeep/verify'];
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

buildSanitizedAddon();
const logs = mkdtempSync(join(tmpdir(), 'sluice-sanitize-'));
const env = sanitizedEnvironment(join(logs, 'log'));
checkLoaded();
const wanted = process.argv.slice(2);
const { status } = spawnSync(process.execPath, [here('../run.js'), ...(wanted.length > 0 ? wanted : TESTED)], {
  stdio: 'inherit',
  env,
});
const reports = readReports();
for (const report of reports) console.error(report);
console.log(`sanitizers: ${reports.length} reports`);
rmSync(logs, { recursive: true });
process.exitCode = status === 0 && reports.length === 0 ? 0 : 1;

/** Leaks do not end a process with a failure: python and tar leak too, and only those of the addon count. */
function sanitizedEnvironment(log: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LD_PRELOAD: findRuntime(),
    ASAN_OPTIONS: `abort_on_error=1:log_path=${log}:stack_trace_format="    #%n %F %L %m":detect_leaks=1:exitcode=0:quarantine_size_mb=16`,
    UBSAN_OPTIONS: 'abort_on_error=1:print_stacktrace=1',
    NODE_OPTIONS: `--import ${here('./use-build.js')}`,
  };
}

function checkLoaded(): void {
  const script = `require('xattr-native'); process.stdout.write(require('fs').readFileSync('/proc/self/maps'))`;
  const maps = execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8', cwd: here('../../..') });
  const loaded = maps.match(/\/\S*xattr_native\.node/g) ?? [];
  if (loaded.length === 0 || loaded.some((path) => !path.startsWith(SANITIZED)))
    throw new Error(`the sanitized addon is not what is loaded, but ${loaded.join(', ') || 'none'}`);
}

/** Errors of any kind, and of leaks those that the addon itself allocated: V8 keeps what it makes for it. */
function readReports(): readonly string[] {
  return readdirSync(logs)
    .map((name) => readFileSync(join(logs, name), 'utf8'))
    .flatMap((text) => (text.includes('LeakSanitizer: detected') ? text.split('\n\n') : [text]))
    .filter((text) => /ERROR: AddressSanitizer/.test(text) || /leak of[^]*#1 .*xattr_native\.node/.test(text));
}
