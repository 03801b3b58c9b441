import { Sluice, SluiceError, type PullOptions } from '../../src/index.js';

// Does one thing with a store, and prints `done`, or the code of what went wrong.
const [home, action, reference, host] = process.argv.slice(2) as [string, string, string, string];
const options: PullOptions = { plainHttp: [host], platform: 'any' };

async function work(): Promise<void> {
  await using sluice = await Sluice.open({ home, jobs: 2 });
  if (action === 'pull') await sluice.pull(reference, { ...options, policy: 'always' });
  else if (action === 'prune') await sluice.prune({ maxImages: 0 });
  else await sluice.verify({ repair: true, plainHttp: true });
}

try {
  await work();
  process.stdout.write('done');
} catch (error) {
  process.stdout.write(error instanceof SluiceError ? error.code : `not typed: ${String(error)}`);
}
