/** What is shorter may be any word, and tells nothing. */
const LEAST_LENGTH = 4;

/**
 * The body of an error without what the request had shown in `Authorization`, should the other side repeat it (R35):
 * as it is, and as JSON, a URL or a form writes it.
 */
export function withoutSecrets(body: Uint8Array, authorization: string): Uint8Array {
  const shown = authorization.slice(authorization.indexOf(' ') + 1);
  const secrets = authorization.startsWith('Basic ') ? [shown, ...partsOf(shown)] : [shown];
  const forms = secrets.flatMap((secret) => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
  ]);
  const longestFirst = forms.filter((form) => form.length >= LEAST_LENGTH).toSorted((a, b) => b.length - a.length);
  const text = longestFirst.reduce((left, form) => left.replaceAll(form, '…'), Buffer.from(body).toString('utf8'));
  return Buffer.from(text);
}

/** User with password, and the password. */
function partsOf(basic: string): string[] {
  const text = Buffer.from(basic, 'base64').toString('utf8');
  return [text, text.slice(text.indexOf(':') + 1)];
}
