import { setMaxListeners } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { RegistryOptions } from './registry-options.js';
import { resetConnection } from './reply.js';

/** A server on 127.0.0.1 that can stop and listen again. */
export interface Listener {
  listen(port: number): Promise<void>;
  port(): number;
  resetConnections(): void;
  stop(): Promise<void>;
}

/** @param handle called for every request; its signal fires when the server stops */
export function createListener(
  tls: RegistryOptions['tls'],
  handle: (request: IncomingMessage, response: ServerResponse, closing: AbortSignal) => Promise<void>,
): Listener {
  const sockets = new Set<Socket>();
  let closing = new AbortController();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response, closing.signal).catch((error: unknown) => {
      if (!request.socket.destroyed) request.socket.destroy(error instanceof Error ? error : undefined);
    });
  };
  const server: Server = tls ? createHttpsServer(tls, onRequest) : createHttpServer(onRequest);
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  return {
    listen: (port) =>
      new Promise((resolve, reject) => {
        closing = new AbortController();
        setMaxListeners(0, closing.signal); // one for each request under way
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.off('error', reject);
          resolve();
        });
      }),
    port: () => (server.address() as AddressInfo).port,
    resetConnections: () => {
      for (const socket of sockets) resetConnection(socket);
    },
    stop: () =>
      new Promise((resolve) => {
        closing.abort();
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
