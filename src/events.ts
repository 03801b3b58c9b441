import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import type { ErrorData } from './errors.js';
import type { Span } from './spans.js';

/** Why an image is not answered from the store (compat F11). */
export type MissReason =
  'absent' | 'foreign-row' | 'layer-absent' | 'layer-incomplete' | 'format' | 'platform' | 'policy';

/** A layer as events name it. */
export interface LayerName {
  readonly digest: string;
  /** Packed size in bytes. */
  readonly packedBytes: number;
}

/** One thing that happened, as data. Every event belongs to one image, named by its canonical reference. */
export type SluiceEvent =
  | { readonly kind: 'hit'; readonly image: string }
  | { readonly kind: 'miss'; readonly image: string; readonly reason: MissReason; readonly layer?: string }
  | { readonly kind: 'resolve'; readonly image: string }
  | {
      readonly kind: 'resolved';
      readonly image: string;
      readonly digest: string;
      readonly platform: string;
      /** Bottom to top, each digest once. */
      readonly layers: readonly LayerName[];
    }
  | { readonly kind: 'layer-present'; readonly image: string; readonly layer: string }
  | { readonly kind: 'layer-start'; readonly image: string; readonly layer: string }
  | {
      readonly kind: 'layer-progress';
      readonly image: string;
      readonly layer: string;
      /** Packed bytes read so far, of {@link LayerName.packedBytes}. */
      readonly packedBytes: number;
      readonly unpackedBytes: number;
      readonly entries: number;
    }
  | {
      readonly kind: 'layer-done';
      readonly image: string;
      readonly layer: string;
      readonly packedBytes: number;
      readonly unpackedBytes: number;
      readonly entries: number;
    }
  | { readonly kind: 'layer-failed'; readonly image: string; readonly layer: string; readonly error: ErrorData }
  | { readonly kind: 'committed'; readonly image: string }
  | {
      /** A step that has ended, of a pull with the option `trace`; those of a layer's threads come when it ends. */
      readonly kind: 'span';
      readonly image: string;
      readonly layer?: string;
      readonly span: Span;
    }
  | {
      /** A rule had something to warn of: once a rule and layer, with the count and the first 20 in full. */
      readonly kind: 'warning';
      readonly image: string;
      readonly rule: string;
      readonly message: string;
      readonly layer?: string;
      readonly count: number;
      readonly first: readonly WarningPlace[];
    }
  | {
      /** Something a registry or the store said that users may want to see. */
      readonly kind: 'notice';
      readonly image: string;
      readonly level: 'debug' | 'info' | 'warn';
      readonly message: string;
      readonly host?: string;
    };

export interface WarningPlace {
  /** Entry name, printable form; {@link entryBase64} holds its raw bytes. Both are empty when no entry is meant. */
  readonly entry: string;
  readonly entryBase64: string;
  /** Byte offset in the tar stream. */
  readonly offset: number;
  readonly detail?: string;
}

export type EventListener = (event: SluiceEvent) => void;

/** Every event of the process, for whoever subscribes to the diagnostics channel `sluice:event`. */
const diagnostics = channel('sluice:event');

/** Hands each event to the listeners of one call or store, and to the diagnostics channel. */
export class Events {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  emit(event: SluiceEvent): void {
    this.#emitter.emit('event', event);
    if (diagnostics.hasSubscribers) diagnostics.publish(event);
  }

  /** Hands on an event of another emitter, which has told the diagnostics channel. */
  forward(event: SluiceEvent): void {
    this.#emitter.emit('event', event);
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: EventListener): () => void {
    this.#emitter.on('event', listener);
    return () => this.#emitter.off('event', listener);
  }
}
