/**
 * `npm run fuzz` runs every target for SLUICE_FUZZ_SECONDS in all, `-- TARGET` one of them, and `-- TARGET SEED` one case
 * again.
 */
import { freshSeed, runCases } from './run-cases.js';
import { parseTarget, TARGETS } from './targets.js';

const DEFAULT_SECONDS = 240;

const [name, seed] = process.argv.slice(2);
const targets = name === undefined ? TARGETS : [parseTarget(name)];
const seconds = Number(process.env['SLUICE_FUZZ_SECONDS'] ?? DEFAULT_SECONDS) / targets.length;
for (const target of targets) {
  const first = seed === undefined ? freshSeed() : Number(seed);
  console.log(`${target}: from case ${first} on`);
  const { cases, processes, grownKib } = await runCases({
    target,
    seed: first,
    count: seed === undefined ? Infinity : 1,
    seconds,
  });
  console.log(`${target}: ${cases} cases in ${processes} processes, memory grew by ${grownKib} KiB at most`);
}
