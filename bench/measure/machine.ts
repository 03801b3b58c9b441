import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { doctor } from '../../src/index.js';

/** The command line that is measured. */
export const CLI: string = fileURLToPath(import.meta.resolve('#cli'));

const ROOT = fileURLToPath(new URL('./', import.meta.resolve('#package')));

/** What a run is measured on and with. */
export interface Machine {
  readonly version: string;
  /** Null outside of a checkout; ends with `+` where something is not committed. */
  readonly commit: string | null;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly fileSystem: string;
  readonly isRoot: boolean;
  readonly decoders: readonly string[];
  readonly hasPipelines: boolean;
}

/** @param place directory that is written into */
export async function describeMachine(place: string): Promise<Machine> {
  const { decoders, fileSystem } = await doctor({ home: place });
  return {
    version: (JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string }).version,
    commit: existsSync(`${ROOT}.git`) ? readCommit() : null,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    fileSystem: fileSystem.kind,
    isRoot: process.getuid?.() === 0,
    decoders,
    hasPipelines: outputOf(process.execPath, CLI, 'import', '--help').includes('--pipeline'),
  };
}

function readCommit(): string | null {
  const commit = outputOf('git', '-C', ROOT, 'rev-parse', 'HEAD').trim();
  const isClean = outputOf('git', '-C', ROOT, 'status', '--porcelain').trim() === '';
  return commit === '' ? null : `${commit}${isClean ? '' : '+'}`;
}

function outputOf(program: string, ...words: readonly string[]): string {
  return spawnSync(program, words, { encoding: 'utf8' }).stdout ?? '';
}
