import { openStore } from '../../src/store/store.js';
import { resolvedImage, storeLayer, wantedLayer } from './fixtures.js';

// Records an image of the given layers and is killed before the statement with the given number (from 1).
const [home, key, atText, ...names] = process.argv.slice(2);
const at = Number(atText);
let count = 0;
let isCounting = false;

const store = await openStore({
  home: home!,
  onStatement: () => {
    if (isCounting && ++count === at) process.kill(process.pid, 'SIGKILL');
  },
});
const location = await store.location();
const layers = names.map(wantedLayer);
const stored = [];
for (const layer of layers)
  stored.push((await store.findLayer(layer, location, 'containers')) ?? (await storeLayer(store, layer, location)));
isCounting = true;
await store.commitImage(key!, resolvedImage({ layers }), stored);
process.stdout.write(String(count));
