/** The highest number of each family of the rule books. */
const FAMILIES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  compat: { F: 21, I: 16, Q: 12, G: 10, U: 13, K: 19 },
  registry: { R: 119 },
  extraction: { X: 10, N: 10, E: 26, O: 5, M: 18, H: 13, W: 10, P: 6, S: 23, T: 20, C: 8, D: 5, B: 6 },
};

/** Rules that this release keeps, as ranges; each must stand in the title of a test that ran. */
const KEPT: readonly string[] = [
  ...['F1-8', 'F11-21', 'I1-16', 'Q1-12', 'G1-10', 'U1-13', 'K1-19'].map((range) => `compat ${range}`),
  ...['E21', 'E25-26', 'H6', 'W8-9', 'P3-6'].map((range) => `extraction ${range}`),
  ...['R1-41', 'R43', 'R47-54', 'R66-75', 'R77-119'].map((range) => `registry ${range}`),
  ...['X1-10', 'N1-10', 'E1-20', 'E22-23', 'O1-5', 'M1-18', 'H1-13', 'W1-7', 'W10', 'P1-2', 'P6', 'S1-23', 'T1-20'].map(
    (range) => `extraction ${range}`,
  ),
  ...['C1-8', 'D1-5', 'B1-6'].map((range) => `extraction ${range}`),
];

/** What is wrong with the titles of all tests: rules without a test, and ids that no book has. */
export function findRuleGaps(titles: readonly string[]): readonly string[] {
  const named = new Set(titles.flatMap(idsIn));
  const missing = KEPT.flatMap(expand).filter((id) => !named.has(id));
  const unknown = [...named].filter((id) => !isKnown(id));
  return [
    ...missing.map((id) => `no test is named after ${id}`),
    ...unknown.map((id) => `a test names ${id}, which no book has`),
  ];
}

/** `compat F1 F6 the home …` names two rules, `compat K9 extraction E1 …` one of each book. */
function idsIn(title: string): readonly string[] {
  const head = /^(?:(?:compat|registry|extraction) (?:[A-Z]\d+[a-z]?(?:,? |$))+)+/.exec(title)?.[0] ?? '';
  let book = '';
  return head.split(/,? /).flatMap((word) => {
    const id = /^[A-Z]\d+/.exec(word)?.[0];
    if (id === undefined) book = word;
    return id === undefined ? [] : [`${book} ${id}`];
  });
}

function expand(range: string): readonly string[] {
  const [, family, first, last = first] = /^(\w+ [A-Z])(\d+)(?:-(\d+))?$/.exec(range)!;
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => `${family}${Number(first) + i}`);
}

function isKnown(id: string): boolean {
  const [, book, family, number] = /^(\w+) ([A-Z])(\d+)$/.exec(id)!;
  return Number(number) <= (FAMILIES[book!]?.[family!] ?? 0);
}
