/**
 * One step of a layer's way through a worker. Bytes are pushed as they come and must be used before `push` returns;
 * `end` is called once, after the last byte, unless a push has thrown.
 */
export interface Stage {
  push(bytes: Uint8Array): void;
  end(): void;
}
