import {
  blockDevice,
  charDevice,
  dir,
  end,
  fifo,
  file,
  gnuLongLink,
  gnuLongName,
  hardlink,
  junk,
  layer,
  meta,
  opaque,
  pax,
  paxGlobal,
  raw,
  sparse,
  symlink,
  whiteout,
  type EntryOptions,
  type LayerPart,
  type WhiteoutForm,
} from './layer.js';
import { createRandom } from './random.js';
import type { SparseForm, SparseSegment } from './sparse.js';
import { padding, type Bytes, type TarFormat } from './tar.js';

/**
 * Makes a layer of its text notation, one line an entry:
 *
 * ```
 * dir    ./            0755 0:0
 * file   etc/passwd    0644 0:0  "root:x:0:0\n"   mtime=-1.5
 * file   bin/su        04755 0:0 zero*4096        xattr:security.capability=hex:01000002
 * sym    var/run       -> /run
 * link   bin/su2       -> /bin/su                 size=10
 * char   dev/null      0666 0:0  1,3
 * block  dev/sda       0660 0:6  8,0
 * fifo   run/p
 * wh     etc/old                                  as=link
 * opq    etc
 * file   hex:ff fe 0a  "name is bytes"            fmt=pax
 * sparse var/db        data@0*512 hole*1M data@1M*512   fmt=gnu
 * pax    path=x size=99                           # records for the next entry
 * raw    hex:00ff                                 # a block, filled up with zeros
 * end    2
 * junk   "after the end"
 * ```
 *
 * Behind the name everything may stand in any order and be left out. Names, contents and values are bare words,
 * `"text"` with the escapes `\n \r \t \0 \" \\ \xHH`, or `hex:` with digits, pairs of which may be set apart by spaces.
 * Contents are joined where several stand in a line; `zero*N`, `rand*N` (seeded) and `"text"*N` repeat. Numbers of
 * bytes may end in K, M or G.
 *
 * Options: `mtime= size= fmt=v7|ustar|gnu|star|pax uname= gname= prefix= type= sum=N|signed base256=1 xattr:KEY=
 * pax:KEY=`; of whiteouts `as=file|dir|sym|link|char|block|fifo`; of sparse files `fmt=gnu|0.0|0.1|1.0 real=BYTES`.
 * A `data@OFFSET*LENGTH` stands where it says, whatever holes are before it; the last `hole` makes the file longer.
 *
 * More lines: `global KEY=VALUE…` (PAX `g`), `gnuname NAME` and `gnulink NAME` (GNU `L`, `K`), `meta TYPE BYTES…` (a
 * header of any type with this body).
 * @returns the uncompressed tar
 * @throws SyntaxError naming the line
 */
export function parseLayer(text: string): Buffer {
  return layer(...parseLayerParts(text));
}

/** The parts of {@link parseLayer}, to be put together with others. */
export function parseLayerParts(text: string): LayerPart[] {
  return text.split('\n').flatMap((line, index) => {
    try {
      const words = splitWords(line);
      return words.length === 0 ? [] : [parseLine(words)];
    } catch (error) {
      throw new SyntaxError(`line ${index + 1}: ${(error as Error).message}: ${line.trim()}`, { cause: error });
    }
  });
}

/** A word of a line: bare text, then perhaps a quoted part, then perhaps more text. */
interface Word {
  readonly text: string;
  readonly quoted: Buffer | null;
  readonly rest: string;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0', '"': '"', '\\': '\\' };

/** Splits at white space outside of quotes, drops the comment, and joins the pairs of digits behind `hex:`. */
function splitWords(line: string): Word[] {
  const words: Word[] = [];
  const pattern = /\s*(?:(#.*)|([^\s"]*)(?:"((?:[^"\\]|\\.)*)"([^\s"]*))?)(?=\s|$)/y;
  const end = line.trimEnd().length;
  while (pattern.lastIndex < end) {
    const match = pattern.exec(line);
    if (!match || match[0].trim() === '') throw new SyntaxError('a quote that does not end, or text behind one');
    const [, comment, text = '', quoted, rest = ''] = match;
    if (comment !== undefined) break;
    const before = words.at(-1);
    if (before?.quoted === null && /(^|=)hex:[0-9a-f]*$/i.test(before.text) && /^[0-9a-f]{2}$/i.test(text)) {
      words[words.length - 1] = { ...before, text: before.text + text };
    } else {
      words.push({ text, quoted: quoted === undefined ? null : unescape(quoted), rest });
    }
  }
  return words;
}

function unescape(text: string): Buffer {
  const parts = text.split(/(\\x[0-9a-f]{2}|\\.)/i).map((part) => {
    if (/^\\x[0-9a-f]{2}$/i.test(part)) return Buffer.from(part.slice(2), 'hex');
    if (!part.startsWith('\\')) return Buffer.from(part);
    const escaped = ESCAPES[part.slice(1)];
    if (escaped === undefined) throw new SyntaxError(`unknown escape ${part}`);
    return Buffer.from(escaped);
  });
  return Buffer.concat(parts);
}

function parseLine(words: readonly Word[]): LayerPart {
  const keyword = words[0]!.text;
  const rest = words.slice(1);
  switch (keyword) {
    case 'pax':
      return pax(rest.map(parsePair));
    case 'global':
      return paxGlobal(rest.map(parsePair));
    case 'raw': {
      const bytes = parseBytes(rest);
      return raw(Buffer.concat([bytes, padding(bytes.length)]));
    }
    case 'junk':
      return junk(parseBytes(rest));
    case 'end':
      return parseEnd(rest[0]?.text ?? '');
    case 'meta':
      return meta(rest[0]?.text ?? '', parseBytes(rest.slice(1)));
    case 'gnuname':
      return gnuLongName(Buffer.concat(rest.map(parseValue)));
    case 'gnulink':
      return gnuLongLink(Buffer.concat(rest.map(parseValue)));
    default:
      return parseEntry(keyword, rest);
  }
}

function parseEnd(text: string): LayerPart {
  if (text !== '0' && text !== '1' && text !== '2') throw new SyntaxError('an end has 0, 1 or 2 blocks');
  return end(Number(text) as 0 | 1 | 2);
}

function parseEntry(keyword: string, words: readonly Word[]): LayerPart {
  const [nameWord, ...rest] = words;
  if (!nameWord) throw new SyntaxError('an entry needs a name');
  const name = parseValue(nameWord);
  const parsed = parseAttributes(rest);
  const { options, target, device } = parsed;
  const needTarget = (): Bytes => {
    if (target === null) throw new SyntaxError(`${keyword} needs -> TARGET`);
    return target;
  };
  const needDevice = (): Device => {
    if (device === null) throw new SyntaxError(`${keyword} needs MAJOR,MINOR`);
    return device;
  };
  switch (keyword) {
    case 'dir':
      return dir(name, options);
    case 'file':
      return file(name, '', options);
    case 'sym':
      return symlink(name, needTarget(), options);
    case 'link':
      return hardlink(name, needTarget(), options);
    case 'char':
      return charDevice(name, ...needDevice(), options);
    case 'block':
      return blockDevice(name, ...needDevice(), options);
    case 'fifo':
      return fifo(name, options);
    case 'wh':
      return whiteout(name, { ...options, ...(parsed.as && { as: parsed.as }) });
    case 'opq':
      return opaque(name, { ...options, ...(parsed.as && { as: parsed.as }) });
    case 'sparse':
      return sparse(name, parsed.segments, {
        ...options,
        realBytes: parsed.realBytes,
        ...(parsed.form && { form: parsed.form }),
      });
    default:
      throw new SyntaxError(`unknown kind of line "${keyword}"`);
  }
}

type Device = readonly [major: number | bigint, minor: number | bigint];

interface Attributes {
  readonly options: EntryOptions;
  readonly target: Bytes | null;
  readonly device: Device | null;
  readonly as: WhiteoutForm | null;
  readonly form: SparseForm | null;
  readonly segments: readonly SparseSegment[];
  readonly realBytes: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function parseAttributes(words: readonly Word[]): Attributes {
  const options: Writable<EntryOptions> = {};
  const found: Writable<Attributes> = {
    options,
    target: null,
    device: null,
    as: null,
    form: null,
    segments: [],
    realBytes: 0,
  };
  const contents: Buffer[] = [];
  const segments: SparseSegment[] = [];
  let place = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const { text } = word;
    const data = /^data(?:@(\d+[KMG]?))?(?:\*(\d+[KMG]?)|=)$/.exec(text);
    const hole = /^hole\*(\d+[KMG]?)$/.exec(text);
    if (text === '->') {
      const target = words[++at];
      if (!target) throw new SyntaxError('-> needs a target');
      found.target = parseValue(target);
    } else if (data) {
      const offset = data[1] === undefined ? place : parseSize(data[1]);
      const bytes = data[2] === undefined ? parseValue({ ...word, text: '' }) : pattern(offset, parseSize(data[2]));
      segments.push({ offset, bytes });
      place = offset + bytes.length;
      found.realBytes = Math.max(found.realBytes, place);
    } else if (hole) {
      place += parseSize(hole[1]!);
      if (!words.slice(at + 1).some((later) => later.text.startsWith('data'))) {
        found.realBytes = Math.max(found.realBytes, place);
      }
    } else if (/^0[0-7]{3,7}$/.test(text)) {
      options.mode = parseInt(text, 8);
    } else if (/^-?\d+:-?\d+$/.test(text)) {
      const [uid, gid] = text.split(':');
      options.uid = parseNumber(uid!);
      options.gid = parseNumber(gid!);
    } else if (/^-?\d+,-?\d+$/.test(text)) {
      const [major, minor] = text.split(',');
      found.device = [parseNumber(major!), parseNumber(minor!)];
    } else if (/^[a-z0-9]+(:[^=]*)?=/.test(text)) {
      applyOption(found, options, word);
    } else {
      contents.push(parseContent(word));
    }
  }
  found.segments = segments;
  if (contents.length > 0) options.body = Buffer.concat(contents);
  return found;
}

const FORMATS: readonly string[] = ['v7', 'ustar', 'gnu', 'star', 'pax'];
const SPARSE_FORMS: readonly string[] = ['gnu', '0.0', '0.1', '1.0'];
const WHITEOUT_FORMS: readonly string[] = ['file', 'dir', 'sym', 'link', 'char', 'block', 'fifo'];

function applyOption(found: Writable<Attributes>, options: Writable<EntryOptions>, word: Word): void {
  const [key, value] = parsePair(word);
  const text = value.toString();
  const [name, sub] = [key.split(':', 1)[0]!, key.slice(key.indexOf(':') + 1)];
  switch (name) {
    case 'xattr':
      options.xattrs = { ...options.xattrs, [sub]: value };
      break;
    case 'pax':
      options.records = [...((options.records ?? []) as readonly (readonly [Bytes, Bytes])[]), [sub, value]];
      break;
    case 'mtime':
      options.mtime = text;
      break;
    case 'size':
      options.size = text.startsWith('-') ? parseNumber(text) : parseSizeOrNumber(text);
      break;
    case 'fmt':
      if (SPARSE_FORMS.includes(text)) found.form = text as SparseForm;
      if (FORMATS.includes(text)) options.format = text as TarFormat;
      else if (!SPARSE_FORMS.includes(text)) throw new SyntaxError(`unknown format ${text}`);
      break;
    case 'as':
      if (!WHITEOUT_FORMS.includes(text)) throw new SyntaxError(`unknown whiteout form ${text}`);
      found.as = text as WhiteoutForm;
      break;
    case 'real':
      found.realBytes = parseSize(text);
      break;
    case 'uname':
      options.userName = text;
      break;
    case 'gname':
      options.groupName = text;
      break;
    case 'prefix':
      options.prefix = value;
      break;
    case 'type':
      options.typeFlag = text;
      break;
    case 'sum':
      options.checksum = text === 'signed' ? 'signed' : Number(text);
      break;
    case 'base256':
      options.isBase256 = text === '1';
      break;
    default:
      throw new SyntaxError(`unknown option ${key}`);
  }
}

function parsePair(word: Word): [string, Buffer] {
  const equals = word.text.indexOf('=');
  if (equals < 0) throw new SyntaxError('KEY=VALUE is needed');
  return [word.text.slice(0, equals), parseValue({ ...word, text: word.text.slice(equals + 1) })];
}

function parseBytes(words: readonly Word[]): Buffer {
  return Buffer.concat(words.map(parseContent));
}

/** A content: quoted, `hex:`, `zero*N` or `rand*N`; bare words are most likely mistakes. */
function parseContent(word: Word): Buffer {
  if (word.quoted === null && !/^(hex:|zero\*|rand\*)/.test(word.text)) {
    throw new SyntaxError(`unknown word "${word.text}"`);
  }
  return parseValue(word);
}

/** A name, target or value. */
function parseValue(word: Word): Buffer {
  if (word.quoted !== null) {
    const times = /^\*(\d+[KMG]?)$/.exec(word.rest);
    if (word.text !== '' || (word.rest !== '' && !times)) throw new SyntaxError('text beside a quote');
    return times ? repeat(word.quoted, parseSize(times[1]!)) : word.quoted;
  }
  const made = /^(zero|rand)\*(\d+[KMG]?)$/.exec(word.text);
  if (made) {
    const length = parseSize(made[2]!);
    return made[1] === 'zero' ? Buffer.alloc(length) : createRandom(length).bytes(length);
  }
  if (!word.text.startsWith('hex:')) return Buffer.from(word.text);
  const hex = /^hex:((?:[0-9a-f]{2})*)(?:\*(\d+[KMG]?))?$/i.exec(word.text);
  if (!hex) throw new SyntaxError('hex: needs pairs of digits');
  return repeat(Buffer.from(hex[1]!, 'hex'), hex[2] === undefined ? 1 : parseSize(hex[2]));
}

function repeat(bytes: Buffer, times: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(bytes.length * times, bytes);
}

/** Bytes that tell where in the file they belong, and none is zero. */
function pattern(offset: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => 1 + ((offset + at) % 251)));
}

const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function parseSize(text: string): number {
  const match = /^(\d+)([KMG])?$/.exec(text);
  if (!match) throw new SyntaxError(`${text} is no number of bytes`);
  return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1);
}

function parseSizeOrNumber(text: string): number | bigint {
  return /^\d+$/.test(text) ? parseNumber(text) : parseSize(text);
}

function parseNumber(text: string): number | bigint {
  if (!/^-?\d+$/.test(text)) throw new SyntaxError(`${text} is no number`);
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}
