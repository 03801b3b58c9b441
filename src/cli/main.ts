#!/usr/bin/env node
import { ignoreClosedPipes } from './output.js';
import { runCommandLine } from './program.js';
import { listenForSignals } from './signals.js';

ignoreClosedPipes();
const signal = listenForSignals((status) => process.exit(status));
process.exit(await runCommandLine(process.argv.slice(2), signal));
