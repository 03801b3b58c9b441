import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { buildImage, file, layer, type TestImage } from '../../src/testing/index.js';
import { type Cleanup, isolatedEnvironment, temporaryDirectory } from '../helpers/temporary.js';

const MAIN = fileURLToPath(import.meta.resolve('#cli'));
/** A command that takes longer hangs. */
const PATIENCE_MS = 60_000;

/** How a command ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Waits until standard output holds the text. @throws Error when the command ends before */
  hasPrinted(text: string): Promise<void>;
}

/** The command line with a home of its own, in an environment that points at nothing of the user's. */
export interface CommandLine {
  readonly home: string;
  /** @param words without `--home` */
  run(words: readonly string[], options?: RunOptions): Promise<Ended>;
  start(words: readonly string[], options?: RunOptions): Running;
  /** Runs on a pseudo-terminal of python3, 100 columns wide; what is printed comes out of `stdout`. */
  runOnTerminal(words: readonly string[], options?: TerminalOptions): Promise<Ended>;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** What standard input holds. */
  readonly input?: string;
  /** Words of node, in front of the script. */
  readonly nodeWords?: readonly string[];
}

export interface TerminalOptions {
  readonly rows?: number;
  /** Ctrl-C is pressed once this was printed. */
  readonly interruptAfter?: string;
  /** What is typed, each once the text before it was printed. */
  readonly typed?: readonly (readonly [after: string, keys: string])[];
  readonly environment?: Readonly<Record<string, string>>;
}

export function createCommandLine(t: Cleanup): CommandLine {
  const folder = temporaryDirectory(t);
  const home = join(folder, 'home');
  const start = (words: readonly string[], options: RunOptions = {}): Running => {
    const { environment = {}, input = '', nodeWords = [] } = options;
    const child = spawn(process.execPath, [...nodeWords, MAIN, ...words], {
      cwd: folder,
      env: isolatedEnvironment(folder, { SLUICE_HOME: home, ...environment }),
    });
    child.stdin.on('error', () => undefined).end(input);
    return watch(child);
  };
  return {
    home,
    start,
    run: (words, options) => start(words, options).ended,
    runOnTerminal: (words, { rows = 24, interruptAfter, typed = [], environment = {} } = {}) => {
      const command = [process.execPath, MAIN, ...words];
      const keys = interruptAfter === undefined ? typed : [[interruptAfter, '\u0003']];
      const child = spawn('python3', ['-c', TERMINAL, String(rows), JSON.stringify(keys), ...command], {
        cwd: folder,
        env: isolatedEnvironment(folder, { SLUICE_HOME: home, TERM: 'xterm', ...environment }),
      });
      return watch(child).ended;
    },
  };
}

const TERMINAL = `
import fcntl, json, os, pty, struct, sys, termios
rows, keys, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', rows, 100, 0, 0))
    os.execvp(command[0], command)
seen = b''
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    seen += part
    while keys and keys[0][0].encode() in seen:
        os.write(terminal, keys.pop(0)[1].encode())
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

function watch(child: ChildProcessWithoutNullStreams): Running {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
  }
  const deadline = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const ended = once(child, 'close').then(([status]): Ended => {
    clearTimeout(deadline);
    return { status: status as number | null, ...output };
  });
  return {
    child,
    ended,
    hasPrinted: async (text) => {
      while (!output.stdout.includes(text)) {
        const next = await Promise.race([once(child.stdout, 'data'), ended]);
        if (!Array.isArray(next) && !output.stdout.includes(text)) {
          throw new Error(`"${text}" was not printed: ${output.stdout}${output.stderr}`);
        }
      }
    },
  };
}

/** Lines of a text without the empty one at its end. */
export function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line, at, all) => line !== '' || at < all.length - 1);
}

/** What `--json` printed, a value a line. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return linesOf(text).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The error on the last line that `--json` printed. */
export function errorOf(text: string): Record<string, unknown> {
  return (jsonLines(text).at(-1)?.['error'] ?? {}) as Record<string, unknown>;
}

/** An image for this machine with a layer for each name, which holds one file of that name. */
export function smallImage(...names: readonly string[]): TestImage {
  return buildImage({
    layers: names.map((name) => ({ tar: layer(file(name, name)) })),
    platform: formatPlatform(hostPlatform()),
  });
}
