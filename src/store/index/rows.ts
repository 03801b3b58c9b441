import type { Digest } from '../../oci/digest.js';
import type { StatFormat } from '../../transfer/protocol.js';

/** A row of `layers`. */
export interface LayerRow {
  readonly digest: Digest;
  readonly diff_id: Digest;
  readonly size_bytes: number;
  /** Null: not committed to the home, or not by us; then the columns below mean nothing. */
  readonly extracted_at: string | null;
  readonly unpacked_bytes: number | null;
  readonly entries: number | null;
  readonly format: number | null;
  readonly stat: StatFormat | null;
  readonly compose_required: number | null;
}

/** {@link LayerRow} as a member of one image's stack. */
export interface LinkedLayerRow extends LayerRow {
  readonly link_compose_required: number | null;
}

/** An image with its current manifest, in one row. */
export interface ImageRow {
  readonly id: number;
  readonly reference: string;
  readonly resolved_digest: Digest;
  readonly platform: string;
  readonly last_used_at: string | null;
  readonly source: string | null;
  readonly manifest_digest: Digest;
  readonly manifest_body: Buffer;
  readonly config_body: Buffer;
  /** Bottom to top. */
  readonly layers: readonly LinkedLayerRow[];
}

/** A time as the index holds it: `YYYY-MM-DD HH:MM:SS`, UTC (compat I10). */
export function formatTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

/** @returns null for a time that is not in the form of {@link formatTime} (compat Q10) */
export function parseTime(text: string | null): Date | null {
  if (text === null || !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text)) return null;
  const time = new Date(`${text.replace(' ', 'T')}Z`);
  return Number.isNaN(time.getTime()) ? null : time;
}
