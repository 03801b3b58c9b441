/**
 * A synchronous decoder of gzip members that writes into the caller's buffer. One {@link run} decodes as much of one
 * member (RFC 1952, header and trailer checked) as input and room allow.
 */
export interface Inflater {
  run(input: Uint8Array, inputStart: number, output: Uint8Array, outputStart: number): InflateStatus;
  /** Bytes of input taken by the last run. */
  readonly consumed: number;
  /** Bytes of output made by the last run. */
  readonly produced: number;
  /** Prepares for the next member. */
  reset(): void;
  /** Frees what the garbage collector does not; nothing may be run afterwards. */
  close(): void;
}

export type InflateStatus =
  /** More input or more room is needed. */
  | 'more'
  /** The member has ended, its CRC and length right. */
  | 'ended'
  | 'malformed';
