import { setTimeout as sleep } from 'node:timers/promises';
import sqlite3 from 'sqlite3';
import { errnoOf, SluiceError } from '../../errors.js';

/** What a column can hold. */
export type Value = string | number | Buffer | null;

/** Runs statements one after the other. */
export interface Connection {
  /** @returns the rows, none for a statement that answers nothing */
  all<Row>(sql: string, ...values: readonly Value[]): Promise<readonly Row[]>;
}

/** Sees every statement before it runs; what it throws is that statement's failure. For tests. */
export type StatementHook = (sql: string) => void;

/** How long a statement waits for another process, in milliseconds (compat I5). */
export const BUSY_TIMEOUT_MS = 5000;
/** How often a transaction is tried while another process holds the index (compat I7). */
const TRIES = 5;
const PAUSE_MS = 20;

/**
 * One connection to the store index, shared by everything in the process: work on it is queued, so that nobody sees or
 * joins another's transaction.
 */
export class Database implements AsyncDisposable {
  readonly #handle: sqlite3.Database;
  readonly #hook: StatementHook | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(handle: sqlite3.Database, hook: StatementHook | undefined) {
    this.#handle = handle;
    this.#hook = hook;
  }

  /**
   * @param mode `create`: read and write, made when absent, in one step (compat I6); `read`: must exist
   * @throws SluiceError STORE_FAILED
   */
  static open(path: string, mode: 'create' | 'read', hook?: StatementHook): Promise<Database> {
    const flags =
      sqlite3.OPEN_FULLMUTEX |
      (mode === 'create' ? sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE : sqlite3.OPEN_READONLY);
    return new Promise((resolve, reject) => {
      const handle = new sqlite3.Database(path, flags, (error) => {
        if (error) reject(indexError(`opening store index ${JSON.stringify(path)}`, error));
        else resolve(new Database(handle, hook));
      });
    });
  }

  /** Runs `work` while nobody else uses the connection. It must not queue more work and wait for it. */
  use<T>(doing: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      try {
        return await work(this.#connection);
      } catch (error) {
        throw indexError(doing, error);
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /**
   * As {@link use}, but no statement waits for another process.
   * @returns null when one holds what they need
   */
  useUnlessBusy<T>(doing: string, work: (connection: Connection) => Promise<T>): Promise<T | null> {
    return this.use(doing, async (connection) => {
      this.#handle.configure('busyTimeout', 0);
      try {
        return await work(connection);
      } catch (error) {
        if (isBusy(error)) return null;
        throw error;
      } finally {
        this.#handle.configure('busyTimeout', BUSY_TIMEOUT_MS);
      }
    });
  }

  /**
   * Runs `work` in one `BEGIN IMMEDIATE` transaction; when it fails, nothing of it is there. A busy index: again from
   * the start, at most 5 times in all.
   * @throws SluiceError INDEX_BUSY | INDEX_CORRUPT | STORE_FAILED | DISK_FULL
   */
  transaction<T>(doing: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.use(doing, async (connection) => {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#transactionOnce('BEGIN IMMEDIATE', connection, work);
        } catch (error) {
          if (!isBusy(error) || tries === TRIES) throw error;
          await sleep(PAUSE_MS * tries);
        }
      }
    });
  }

  /** As {@link transaction}, but it waits for no other process, as {@link useUnlessBusy}. */
  transactionUnlessBusy<T>(doing: string, work: (connection: Connection) => Promise<T>): Promise<T | null> {
    return this.useUnlessBusy(doing, (connection) => this.#transactionOnce('BEGIN IMMEDIATE', connection, work));
  }

  /** Runs `work`, which must only read, on one moment of the index; nobody who writes is waited for, or waits. */
  snapshot<T>(doing: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.use(doing, (connection) => this.#transactionOnce('BEGIN', connection, work));
  }

  async #transactionOnce<T>(
    begin: 'BEGIN' | 'BEGIN IMMEDIATE',
    connection: Connection,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    await connection.all(begin);
    try {
      const result = await work(connection);
      await connection.all('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some failures, and then answers with an error that means nothing.
      await this.#run('ROLLBACK', []).catch(() => undefined);
      throw error;
    }
  }

  /** Waits for the work under way, then closes the file; a second call waits for the first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#last.then(() => this.#close());
    return this.#closed;
  }

  #close(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#handle.close((error) => (error ? reject(indexError('closing the store index', error)) : resolve())),
    );
  }

  readonly #connection: Connection = {
    all: async <Row>(sql: string, ...values: readonly Value[]): Promise<readonly Row[]> => {
      this.#hook?.(sql);
      return await this.#run<Row>(sql, values);
    },
  };

  #run<Row>(sql: string, values: readonly Value[]): Promise<readonly Row[]> {
    return new Promise((resolve, reject) =>
      this.#handle.all<Row>(sql, values, (error, rows) => (error ? reject(error) : resolve(rows))),
    );
  }
}

/** Whether another connection holds what a statement needs. */
export function isBusy(error: unknown): boolean {
  return errnoOf(error) === 'SQLITE_BUSY' || errnoOf(error) === 'SQLITE_LOCKED';
}

function indexError(doing: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const code = errnoOf(error) ?? '';
  const message = `${doing}: ${error instanceof Error ? error.message : String(error)}`;
  const detail = { message, ...(code && { errno: code }) };
  if (isBusy(error)) return new SluiceError('INDEX_BUSY', { ...detail, rule: 'compat I7' }, { cause: error });
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB')
    return new SluiceError('INDEX_CORRUPT', { ...detail, rule: 'compat I16' }, { cause: error });
  return new SluiceError(code === 'SQLITE_FULL' ? 'DISK_FULL' : 'STORE_FAILED', detail, { cause: error });
}
