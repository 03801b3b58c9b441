import type { Machine } from './measure/machine.js';
import type { Cost } from './measure/run-measured.js';

/** One line of a run's raw output. */
export type RunRecord = RunLine | CaseLine | SampleLine | LeftOutLine;

export interface RunLine extends Machine {
  readonly kind: 'run';
  readonly date: string;
  /** What was typed. */
  readonly command: string;
  readonly rounds: number;
  /** Of the generated corpora; 1 is full size. */
  readonly scale: number;
}

export interface CaseLine {
  readonly kind: 'case';
  readonly id: string;
  readonly title: string;
  readonly question: string;
  readonly fairness: string;
  readonly contenders: readonly { readonly id: string; readonly title: string; readonly isOurs: boolean }[];
}

export interface SampleLine extends Cost {
  readonly kind: 'sample';
  readonly case: string;
  readonly contender: string;
  /** 0 warms up and does not count. */
  readonly round: number;
  readonly entries: number;
  readonly bytes: number;
  /** Of what it wrote; null for micro cases, which write none. */
  readonly digest: string | null;
}

export interface LeftOutLine {
  readonly kind: 'left-out';
  readonly case: string;
  readonly contender: string;
  readonly why: 'missing' | 'failed';
  readonly reason: string;
}
