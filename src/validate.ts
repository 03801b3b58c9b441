import english from 'zod/v4/locales/en.js';
import type * as z from 'zod/mini';

const MESSAGES = { error: english().localeError };

/**
 * What a schema makes of a value from outside.
 * @param refuse makes the error of the first thing that is wrong, from where it is and what it is
 * @throws what `refuse` makes
 */
export function validate<T>(
  schema: z.ZodMiniType<T>,
  value: unknown,
  refuse: (path: readonly string[], why: string) => Error,
): T {
  const result = schema.safeParse(value, MESSAGES);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refuse((issue?.path ?? []).map(String), issue?.message ?? 'invalid');
}
