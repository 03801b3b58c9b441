/** `line:column`, from 1 on, of the first place that is no JSON; null for a text that is. */
export function placeOfJsonError(text: string): string | null {
  const offset = offsetOfError(text);
  if (offset === null) return null;
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

const BLANKS = /[ \t\r\n]*/y;
const STRING = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const SCALAR = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![\w.+-])/y;

type Wanted = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | 'more';

/** Node's own messages hold pieces of the text, and a credential file's text is secret. */
function offsetOfError(text: string): number | null {
  const open: ('{' | '[')[] = [];
  let wanted: Wanted = 'value';
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found !== undefined;
  };
  for (;;) {
    take(BLANKS);
    const char = text[at];
    if (char === undefined) return wanted === 'more' && open.length === 0 ? null : at;
    switch (wanted) {
      case 'value or ]':
      case 'value':
        if (wanted === 'value or ]' && char === ']') {
          at++;
          open.pop();
          wanted = 'more';
        } else if (char === '{' || char === '[') {
          at++;
          open.push(char);
          wanted = char === '{' ? 'key or }' : 'value or ]';
        } else if (take(STRING) || take(SCALAR)) wanted = 'more';
        else return at;
        break;
      case 'key or }':
      case 'key':
        if (wanted === 'key or }' && char === '}') {
          at++;
          open.pop();
          wanted = 'more';
        } else if (take(STRING)) wanted = ':';
        else return at;
        break;
      case ':':
        if (char !== ':') return at;
        at++;
        wanted = 'value';
        break;
      case 'more': {
        const inner = open.at(-1);
        if (inner === undefined) return at;
        if (char === ',') wanted = inner === '{' ? 'key' : 'value';
        else if (char === (inner === '{' ? '}' : ']')) open.pop();
        else return at;
        at++;
        break;
      }
      default:
        return wanted satisfies never;
    }
  }
}
