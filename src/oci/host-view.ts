import { parseSidecarLines, type SidecarEntry } from './sidecar.js';

/** The range of times that a file is given; the sidecar keeps what the image says (extraction M18). */
const EARLIEST = -2147483648;
const LATEST = 15032385535;

/** Nothing but an empty file stands for these on the host (extraction M5). */
const PLACEHOLDERS: readonly string[] = ['char', 'block', 'fifo', 'socket'];

/**
 * What of a sidecar holds for the layer's directory on the host, so that `mtree -p DIRECTORY` can check it: no owners and
 * modes, which the xattrs have; devices, FIFOs and sockets as the empty files that stand for them; implied directories
 * without a time, since they take one from lower layers (extraction P3); links that wait for composing left out.
 * @param lines as for {@link parseSidecarLines}
 * @returns lines without newlines, `#mtree` first
 * @throws SluiceError SIDECAR_CORRUPT
 * @see extraction §13
 */
export function* formatHostView(lines: Iterable<string>): Generator<string, void, undefined> {
  yield '#mtree';
  for (const { line, item } of parseSidecarLines(lines)) if (item.kind === 'entry') yield hostLine(line, item);
}

/** Names and link targets hold no blank, so the first keyword of a kind is the entry's own. */
function hostLine(line: string, { type, isImplied, mtime }: SidecarEntry): string {
  const view = line.replace(/ mode=\S+ uid=\S+ gid=\S+/, '');
  if (PLACEHOLDERS.includes(type))
    return withinRange(view.replace(/ type=\S+(?: device=\S+)?/, ' type=file size=0'), mtime);
  return isImplied ? view.replace(/ time=\S+/, '') : withinRange(view, mtime);
}

function withinRange(view: string, mtime: number): string {
  if (mtime >= EARLIEST && mtime <= LATEST) return view;
  return view.replace(/ time=\S+/, ` time=${mtime < EARLIEST ? EARLIEST : LATEST}.000000000`);
}
