import { connect } from 'node:net';

/** Everything that came over one connection, and how it ended. */
export interface RawReply {
  /** Status line and headers. */
  readonly head: string;
  readonly status: number;
  /** Names in lower case; the last of a name wins. */
  readonly headers: Readonly<Record<string, string>>;
  /** What came behind the headers, framing included. */
  readonly body: Buffer;
  readonly end: 'fin' | 'rst' | 'open';
}

/** What to send, and when to give up waiting for the connection's end. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Stops as soon as so much is there. */
  readonly untilBytes?: number;
  /** Waits for the end of the connection, or for silence, also when the promised length is there. */
  readonly isPatient?: boolean;
  /** Stops when nothing came for so long; 300 when left out. */
  readonly idleMs?: number;
}

/** Sends one request and takes down what comes, without understanding any of it. */
export function requestRaw(port: number, request: RawRequest): Promise<RawReply> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    let received = 0;
    const finish = (end: RawReply['end']): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.destroy();
      resolve(parse(Buffer.concat(chunks), end));
    };
    const timer = setTimeout(() => finish('open'), request.idleMs ?? 300);
    const headers = Object.entries({ host: `127.0.0.1:${port}`, ...request.headers });
    const lines = [`${request.method ?? 'GET'} ${request.path} HTTP/1.1`, ...headers.map((pair) => pair.join(': '))];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      timer.refresh();
      const isEnough = received >= (request.untilBytes ?? Infinity);
      if (
        isEnough ||
        (request.isPatient !== true && request.untilBytes === undefined && isWhole(Buffer.concat(chunks), request))
      )
        finish('open');
    });
    socket.on('end', () => finish('fin'));
    socket.on('error', () => finish('rst'));
  });
}

/** Whether a reply that leaves its connection open has all it promised. */
function isWhole(bytes: Buffer, request: RawRequest): boolean {
  const { head, headers, body } = parse(bytes, 'open');
  if (!head.startsWith('HTTP/1.1') || headers['connection'] === 'close') return false;
  const length = headers['content-length'];
  return length !== undefined && (request.method === 'HEAD' || body.length >= Number(length));
}

function parse(bytes: Buffer, end: RawReply['end']): RawReply {
  const split = bytes.indexOf('\r\n\r\n');
  const head = bytes.subarray(0, split < 0 ? bytes.length : split).toString('latin1');
  const [first = '', ...lines] = head.split('\r\n');
  const pairs = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 1).trim(),
  ]);
  return {
    head,
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(pairs) as Record<string, string>,
    body: split < 0 ? Buffer.alloc(0) : bytes.subarray(split + 4),
    end,
  };
}
