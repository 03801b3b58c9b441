#!/usr/bin/env node
import { createRequire } from 'node:module';
import { version } from '../version.js';
import { loadBundle } from './code-cache.js';
import { ignoreClosedPipes, printLine } from './output.js';
import type * as Program from './program.js';
import { listenForSignals } from './signals.js';

ignoreClosedPipes();
const words = process.argv.slice(2);
if (words.length === 1 && words[0] === '--version') {
  // Answered without the parser, which takes longer to load than all the rest.
  printLine(version());
  process.exit(0);
}
const program = loadBundle(createRequire(import.meta.url).resolve('#program')).exports as typeof Program;
const signal = listenForSignals((status) => process.exit(status));
void program.runCommandLine(words, signal).then((status) => process.exit(status));
