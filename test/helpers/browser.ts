import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { temporaryDirectory, type Cleanup } from './temporary.js';

/** A page in headless Chromium. */
export interface BrowserPage {
  /** Addresses of all requests so far. */
  readonly requests: readonly string[];
  /** Exceptions, and what the console was told. */
  readonly problems: readonly string[];
  /** Value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Light or dark surroundings, as the user's system tells pages. */
  setColourScheme(scheme: 'light' | 'dark'): Promise<void>;
}

type Call = (method: string, params?: object, sessionId?: string) => Promise<Record<string, unknown>>;

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe'];

/**
 * Loads a page and waits until it is there. Chromium is spoken to over a pipe, so that no port is needed.
 * @see https://chromedevtools.github.io/devtools-protocol/
 */
export async function openBrowserPage(t: Cleanup, url: string): Promise<BrowserPage> {
  let stop = (): Promise<unknown> => Promise.resolve();
  t.after(() => stop().then(() => undefined)); // before the profile goes: hooks run in the order they are registered
  const profile = temporaryDirectory(t, 'sluice-browser');
  const child = spawn('chromium', [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const { call, events } = connect(child.stdio[3] as Writable, child.stdio[4] as unknown as Readable);
  stop = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  return openPage(call, events, url);
}

interface Message {
  readonly id?: number;
  readonly method: string;
  readonly params: unknown;
  readonly result?: Record<string, unknown>;
  readonly error?: unknown;
}

/** Messages are JSON, each ended by NUL. */
function connect(to: Writable, from: Readable): { readonly call: Call; readonly events: EventEmitter } {
  const events = new EventEmitter();
  const waiting = new Map<number, (message: Message) => void>();
  let rest = '';
  from.setEncoding('utf8').on('data', (text: string) => {
    const messages = (rest + text).split('\0');
    rest = messages.pop()!;
    for (const one of messages) {
      const message = JSON.parse(one) as Message;
      if (message.id === undefined) events.emit(message.method, message.params);
      else waiting.get(message.id)?.(message);
    }
  });
  let calls = 0;
  const call: Call = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, ({ result, error }) => (result ? resolve(result) : reject(new Error(JSON.stringify(error)))));
      to.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    });
  return { call, events };
}

async function openPage(call: Call, events: EventEmitter, url: string): Promise<BrowserPage> {
  const requests: string[] = [];
  const problems: string[] = [];
  events
    .on('Network.requestWillBeSent', ({ request }: { request: { url: string } }) => requests.push(request.url))
    .on('Runtime.exceptionThrown', (exception: unknown) => problems.push(JSON.stringify(exception)))
    .on('Runtime.consoleAPICalled', (said: unknown) => problems.push(JSON.stringify(said)))
    .on('Log.entryAdded', ({ entry }: { entry: { text: string } }) => problems.push(entry.text));
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = (await call('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string };
  for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await call(`${domain}.enable`, {}, sessionId);
  const loaded = once(events, 'Page.loadEventFired');
  await call('Page.navigate', { url }, sessionId);
  await loaded;
  return {
    requests,
    problems,
    evaluate: async (expression) => {
      const answer = await call('Runtime.evaluate', { expression, returnByValue: true }, sessionId);
      return (answer['result'] as { value: unknown }).value;
    },
    setColourScheme: async (value) => {
      const features = [{ name: 'prefers-color-scheme', value }];
      await call('Emulation.setEmulatedMedia', { features }, sessionId);
    },
  };
}
