import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Cleanup } from './temporary.js';

/** Stands before a server on 127.0.0.1, counts what the server sends, and breaks connections in the middle of it. */
export interface CountingProxy {
  readonly host: string;
  readonly bytes: number;
  /** The `Range` headers of requests, in order. */
  readonly ranges: readonly string[];
  /**
   * Resolves when so many bytes have passed. From then on nothing passes, and new connections wait: how long the server is
   * away is no matter of the client's.
   */
  standStillAfter(bytes: number): Promise<void>;
  /** Resets the connections that there are, loses what is on its way, and lets new ones through. */
  cut(): void;
}

export async function startCountingProxy(t: Cleanup, port: number): Promise<CountingProxy> {
  const clients = new Set<Socket>();
  const servers = new Set<Socket>();
  const waiting = new Set<Socket>();
  const ranges: string[] = [];
  let bytes = 0;
  let limit = { bytes: Number.POSITIVE_INFINITY, reach: (): void => undefined };
  const isStill = (): boolean => bytes >= limit.bytes;
  const keep = (socket: Socket, among: Set<Socket>): void => {
    among.add(socket);
    socket.on('error', () => undefined).on('close', () => among.delete(socket));
  };
  const forward = (client: Socket): void => {
    const server = connect(port, '127.0.0.1');
    keep(server, servers);
    client.on('data', (chunk: Buffer) => {
      for (const [, range] of chunk.toString('latin1').matchAll(/^range: (.*)\r$/gim)) ranges.push(range!);
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (!client.write(chunk)) server.pause();
      if (!isStill()) return;
      for (const each of servers) each.pause();
      limit.reach();
    });
    client.on('drain', () => isStill() || server.resume());
    server.on('close', () => client.end());
    client.on('close', () => server.destroy());
  };
  const listener = createServer((client) => {
    keep(client, clients);
    if (isStill()) waiting.add(client);
    else forward(client);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    for (const socket of [...clients, ...servers]) socket.destroy();
    listener.close();
  });
  return {
    host: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get bytes() {
      return bytes;
    },
    ranges,
    standStillAfter: (wanted) =>
      new Promise((resolve) => {
        limit = { bytes: wanted, reach: resolve };
      }),
    cut: () => {
      limit = { bytes: Number.POSITIVE_INFINITY, reach: () => undefined };
      for (const socket of servers) socket.destroy();
      for (const client of clients) if (!waiting.has(client)) client.resetAndDestroy();
      for (const client of waiting) if (clients.has(client)) forward(client);
      waiting.clear();
    },
  };
}
