import { Sluice } from '../../src/index.js';

// Leases an image, says so, and stays until it is killed.
const [home, reference] = process.argv.slice(2);
const sluice = await Sluice.open({ home: home! });
const lease = await sluice.lease(reference!);
process.stdout.write(`held ${lease.layers.length}\n`);
setInterval(() => undefined, 60_000);
