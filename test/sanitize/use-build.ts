/** Preloaded into every process and thread of a sanitized run: whoever asks for the addon gets that build. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SANITIZED } from './build-addon.js';

const require = createRequire(import.meta.url);
const build = join(SANITIZED, 'index.cjs');
require(build);
require.cache[require.resolve('xattr-native')] = require.cache[build];
