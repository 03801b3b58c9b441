// Leaves V8's code cache beside the command line's bundle, with all that common commands have compiled.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildImage, file, layer, startRegistry, writeOciLayout } from './dist/lib/testing.js';
import { cachePath, loadBundle } from './dist/src/cli/code-cache.js';

const PROGRAM = resolve('dist/lib/program.cjs');
const work = mkdtempSync(join(tmpdir(), 'sluice-code-cache'));
const registry = await startRegistry();
const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });
const reference = registry.push('org/app', '1', image);
writeOciLayout(join(work, 'layout'), { app: image });
const home = join(work, 'home');
// Whose machine this is plays no part: no credentials, no helper programs.
Object.assign(process.env, { HOME: work, DOCKER_CONFIG: work, REGISTRY_AUTH_FILE: join(work, 'auth.json') });
delete process.env['XDG_RUNTIME_DIR'];
const program = loadBundle(PROGRAM);
const { write } = process.stdout;
process.stdout.write = () => true;
for (const words of [
  ['import', `oci:${join(work, 'layout')}:app`, '--quiet'],
  ['pull', reference, '--plain-http', '--quiet'],
  ['pull', reference, '--plain-http', '--quiet'],
  ['layers', reference],
  ['ls'],
]) {
  const status = await program.exports.runCommandLine([...words, '--home', home], new AbortController().signal);
  // Without the addon nothing is extracted; the cache is smaller then.
  if (status !== 0) console.error(`code-cache.js: sluice ${words[0]} ended with ${status}`);
}
process.stdout.write = write;
writeFileSync(cachePath(PROGRAM), program.makeCache());
await registry.close();
rmSync(work, { recursive: true });
process.exit(0);
