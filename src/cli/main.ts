#!/usr/bin/env node
import { version } from '../version.js';
import { ignoreClosedPipes, printLine } from './output.js';
import { listenForSignals } from './signals.js';

ignoreClosedPipes();
const words = process.argv.slice(2);
if (words.length === 1 && words[0] === '--version') {
  // Answered without the parser, which takes longer to load than all the rest.
  printLine(version());
  process.exit(0);
}
const { runCommandLine } = await import('./program.js');
const signal = listenForSignals((status) => process.exit(status));
process.exit(await runCommandLine(words, signal));
