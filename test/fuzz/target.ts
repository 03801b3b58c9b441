/** Code under test with an oracle: one case a number, so that a number is all it takes to see a failure again. */
export interface FuzzTarget {
  /** @throws whatever shows that the code did what it must not */
  run(seed: number): void;
}
