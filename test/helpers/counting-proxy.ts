import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Cleanup } from './temporary.js';

/** Stands before a server on 127.0.0.1 and counts what the server sends. */
export interface CountingProxy {
  readonly host: string;
  readonly bytes: number;
  /** Resolves when so many bytes have passed. */
  hasPassed(bytes: number): Promise<void>;
}

/**
 * Where the server refuses a connection, the client's waits until the server is back: how long that takes is no matter of
 * the client's then.
 * @param isBack resolves when the server listens again
 */
export async function startCountingProxy(
  t: Cleanup,
  port: number,
  isBack: () => Promise<void>,
): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  const waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];
  let bytes = 0;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  const forward = (client: Socket): void => {
    const server = connect(port, '127.0.0.1');
    keep(server);
    server.once('connect', () => {
      client.pipe(server);
      server.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        for (const { resolve } of waiting.filter((one) => one.bytes <= bytes)) resolve();
        if (!client.write(chunk)) server.pause();
      });
      client.on('drain', () => server.resume());
      server.on('close', () => client.end());
      client.on('close', () => server.destroy());
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') void isBack().then(() => forward(client));
    });
  };
  const listener = createServer((client) => {
    keep(client);
    forward(client);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return {
    host: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get bytes() {
      return bytes;
    },
    hasPassed: (wanted) => new Promise((resolve) => waiting.push({ bytes: wanted, resolve })),
  };
}
