/** One way to authenticate that a registry offers. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case; of a repeated one, the first. Empty where the scheme came with a bare token. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const BLANKS = /[ \t]+/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const COMMAS = /[ \t]*,[ \t,]*/y;
const PADDING = /[ \t,]*/y;
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y;

/**
 * Parses `WWW-Authenticate`: several challenges in one header, or in several. What follows a place that fits no grammar
 * is dropped; what stands before it counts.
 * @see RFC 9110, 11.6.1
 */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap((header) => parseHeader(header));
}

function parseHeader(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const reader = readerOf(header);
  reader.take(PADDING);
  for (let scheme = reader.take(TOKEN); scheme !== null; scheme = reader.take(TOKEN)) {
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    if (reader.take(BLANKS) !== null && reader.take(TOKEN68) === null) takeParameters(reader, parameters);
    if (reader.take(COMMAS) === null) break;
  }
  return challenges;
}

/** Stops before the comma that leads to the next challenge. */
function takeParameters(reader: Reader, parameters: Map<string, string>): void {
  for (;;) {
    const start = reader.position;
    if (parameters.size > 0 && reader.take(COMMAS) === null) return;
    const name = reader.take(TOKEN)?.toLowerCase();
    if (name === undefined || reader.take(EQUALS) === null) {
      reader.position = start;
      return;
    }
    const value = takeValue(reader);
    if (value === null) return;
    if (!parameters.has(name)) parameters.set(name, value);
  }
}

function takeValue(reader: Reader): string | null {
  const quoted = reader.take(QUOTED);
  return quoted === null ? reader.take(TOKEN) : quoted.slice(1, -1).replace(/\\([^])/g, '$1');
}

interface Reader {
  position: number;
  /** The text that the sticky pattern matches here, and past it; null where it does not match. */
  take(pattern: RegExp): string | null;
}

function readerOf(text: string): Reader {
  const reader: Reader = {
    position: 0,
    take: (pattern) => {
      pattern.lastIndex = reader.position;
      const found = pattern.exec(text)?.[0];
      if (found === undefined) return null;
      reader.position += found.length;
      return found;
    },
  };
  return reader;
}
