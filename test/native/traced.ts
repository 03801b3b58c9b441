/** What the test of system calls traces: writes a few small files into `argv[2]`, between two marks. */
import { accessSync, mkdirSync } from 'node:fs';
import { script, Tree } from './script.js';

const mark = (path: string): void => {
  try {
    accessSync(path);
  } catch {
    // only its trace counts
  }
};

const base = process.argv[2]!;
mkdirSync(base);
const tree = new Tree({ after: () => {} }, { folder: base });
tree.run(script().dir('warm').file('warm/up', 'x'));
const commands = script().dir('d').file('d/1', 'one').file('d/2', 'two').file('d/3').file('warm/4', 'four');
mark('/begin-mark');
tree.run(commands);
mark('/end-mark');
