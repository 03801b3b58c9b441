import type { PulledImage, SluiceEvent } from '../../index.js';

/** What a command shows of its work while it runs. */
export interface Report {
  onEvent(event: SluiceEvent): void;
  /** An image that events spoke of will not come. */
  onImageFailed(image: string): void;
  /** One source of an import is done. */
  onImported(source: string, image: PulledImage): void;
  /** One source of many failed, and the others go on. */
  onImportFailed(source: string, error: unknown): void;
  /** Ends what is drawn: the terminal is as it was. Calling it twice is harmless. */
  close(): void;
}
