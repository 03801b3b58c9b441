import { readdirSync } from 'node:fs';
import type { ImageFiles, Packing } from '../corpus/layout.js';
import type { Machine } from '../measure/machine.js';
import { isOnPath } from '../measure/programs.js';
import type { Command, Cost } from '../measure/run-measured.js';

/** What a contender is asked to do. */
export interface Work {
  /** Empty directory; everything that is written goes below it. */
  readonly out: string;
  /** OCI layout that holds the images; empty when they are known at a registry alone. */
  readonly layout: string;
  readonly images: readonly ImageFiles[];
  /** References of the images at a registry; empty when there is none. */
  readonly references: readonly string[];
  /** Whether the registry speaks HTTP without TLS. */
  readonly isPlainHttp: boolean;
}

/** A process that serves a contender while it is measured. */
export interface Daemon extends AsyncDisposable {
  /** What it cost since it was started. */
  cost(): Pick<Cost, 'cpuSeconds' | 'peakBytes'>;
}

/** Someone who extracts images. */
export interface Contender {
  readonly id: string;
  /** As charts name it. */
  readonly title: string;
  readonly isOurs: boolean;
  /** Packings of layers that it reads. */
  readonly packings: readonly Packing[];
  /** @returns why it can't take part here; null when it can */
  missing(machine: Machine): string | null;
  command(work: Work): Command;
  /** Makes ready what is not part of the time. */
  start?(work: Work): Promise<Daemon | null>;
  /**
   * Directories of each image's layers, bottom to top; one alone for a composed root. A contender without it writes no tree
   * and prints a {@link SelfReport}.
   */
  trees?(work: Work): Promise<readonly (readonly string[])[]>;
}

/** What a contender of a micro case prints in its last line, as JSON. */
export interface SelfReport {
  /** Without the start of the process; the time of the process where it is left out. */
  readonly seconds?: number;
  readonly entries: number;
  readonly bytes: number;
}

/** For {@link Contender.missing}: the first program that is not installed. */
export function missingProgram(...programs: readonly string[]): string | null {
  const absent = programs.find((program) => !isOnPath(program));
  return absent === undefined ? null : `the program ${absent} is not installed`;
}

/** Directories named by numbers, in their order. */
export function numbered(directory: string): string[] {
  const names = readdirSync(directory).filter((name) => /^\d+$/.test(name));
  return names.toSorted((a, b) => Number(a) - Number(b));
}
