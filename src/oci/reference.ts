import { isIPv6 } from 'node:net';
import { basename, resolve } from 'node:path';
import { SluiceError } from '../errors.js';
import { isDigest, type Digest } from './digest.js';

declare const referenceBrand: unique symbol;

/** An image at a registry; comes from {@link parseReference} alone. */
export interface RegistryReference {
  readonly [referenceBrand]: true;
  readonly kind: 'registry';
  /** Lower case unless it is a host by its capitals alone; with its port. */
  readonly host: string;
  readonly path: string;
  /** A label only, when there is a digest. */
  readonly tag: string | null;
  readonly digest: Digest | null;
}

/** An image in an OCI image layout; comes from {@link parseSource} alone. */
export interface OciLayoutReference {
  readonly [referenceBrand]: true;
  readonly kind: 'oci';
  /** Path of the directory, as it was written. */
  readonly dir: string;
  /** Value of the annotation `org.opencontainers.image.ref.name`; may hold slashes and colons. */
  readonly tag: string | null;
}

/** What a user asked for, by the kind of place it lies in. */
export type Reference = RegistryReference | OciLayoutReference;

export interface ReferenceOptions {
  /** Registry of names without a host; `docker.io` when absent. */
  readonly defaultRegistry?: string | undefined;
}

const HUB = 'docker.io';
const HUB_OLDER_NAME = 'index.docker.io';
/** Registries whose one-component paths lie under `library/`. */
const LIBRARY_REGISTRIES: ReadonlySet<string> = new Set([HUB, 'sandboxes.io']);
const MAX_PATH_LENGTH = 255;

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[([0-9A-Fa-f:]+)\])(?::([0-9]{1,5}))?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** @see OCI image-spec annotations.md, `org.opencontainers.image.ref.name` */
const REF_NAME = /^[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*)*$/;
const IMAGE_ID = /^[0-9a-f]{64}$/;

/** Annotation that names an image within an OCI layout. */
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';
/** Annotation that containerd and buildkit write with the whole reference. */
export const IMAGE_NAME_ANNOTATION = 'io.containerd.image.name';

/**
 * Reads `[host/]path[:tag][@digest]`.
 * @throws SluiceError REFERENCE_INVALID; CONFIG_INVALID for the default registry
 * @see compat G1 to G10; distribution/reference
 */
export function parseReference(text: string, options: ReferenceOptions = {}): RegistryReference {
  const whole = text.trim();
  if (whole === '') throw invalid('input string is empty', 'G7');
  if (IMAGE_ID.test(whole)) throw invalid(`invalid repository: ${printable(whole)}`, 'G3');
  const [named, digestText] = cut(whole, '@');
  const { host, rest } = splitHost(named, options);
  const [pathText, tagText] = cut(rest, ':');
  const path = parsePath(host, pathText);
  if (tagText !== null && !TAG.test(tagText)) throw invalid(`invalid tag: ${printable(tagText)}`, 'G7');
  if (digestText !== null && !isDigest(digestText)) throw invalid(`invalid digest: ${printable(digestText)}`, 'G7');
  const tag = tagText ?? (digestText === null ? 'latest' : null);
  return freeze<RegistryReference>({ kind: 'registry', host, path, tag, digest: digestText });
}

/**
 * Reads the value of `OCI_REGISTRY_DOMAIN`; unset and empty mean `docker.io`.
 * @returns the host, in the form that references hold
 * @throws SluiceError CONFIG_INVALID
 * @see compat F7
 */
export function parseDefaultRegistry(value: string | undefined): string {
  if (value === undefined || value === '') return HUB;
  const host = isHost(value) ? parseHost(value) : null;
  if (host !== null) return host;
  throw new SluiceError('CONFIG_INVALID', {
    message: `reading the default registry ${JSON.stringify(value.slice(0, 200))}`,
    rule: 'compat F7',
    hint: 'OCI_REGISTRY_DOMAIN is a host with a dot or a port, for example ghcr.io or localhost:5000.',
  });
}

/**
 * Reads a source as the command line takes it: `docker://REF`, `oci:DIR[:TAG]`, or REF alone.
 *
 * As with skopeo, the first colon after `oci:` ends DIR. It does so only when what follows can be a tag, or is nothing;
 * else the next colon is tried, and without any the whole is DIR. `oci:a:b/c:` thus names the directory `a:b/c`.
 * @throws SluiceError REFERENCE_INVALID
 */
export function parseSource(text: string, options: ReferenceOptions = {}): Reference {
  const whole = text.trim();
  if (whole.startsWith('docker://')) return parseReference(whole.slice('docker://'.length), options);
  if (whole.startsWith('oci:')) return parseLayout(whole.slice('oci:'.length));
  if (/^(?:oci|docker)-archive:/.test(whole))
    throw new SluiceError('REFERENCE_INVALID', {
      message: `invalid image reference: archives cannot be read: ${printable(whole)}`,
      hint: 'Make a directory of it first: skopeo copy oci-archive:FILE oci:DIR',
    });
  return parseReference(whole, options);
}

/** The one text of a reference; parsing it gives an equal reference (compat G5). */
export function formatReference(reference: Reference): string {
  switch (reference.kind) {
    case 'registry': {
      const { host, path, tag, digest } = reference;
      return `${host}/${path}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
    }
    case 'oci': {
      const { dir, tag } = reference;
      return tag === null && !/[:\s]/.test(dir) ? `oci:${dir}` : `oci:${dir}:${tag ?? ''}`;
    }
    default:
      return reference satisfies never;
  }
}

export interface LocalNameOptions extends ReferenceOptions {
  /** What the user wants it recorded as. */
  readonly name?: string | undefined;
  /** Annotations of the descriptor that the layout's reference leads to. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * The reference under which an image from an OCI layout is recorded: the user's name for it, else
 * `io.containerd.image.name` when that names a host, else a `ref.name` with a slash, else
 * `localhost/<directory>:<tag or latest>`.
 *
 * A digest is taken from none of them: a layout could else answer for a digest that its bytes do not have, and hits by
 * digest are never asked again (compat F18).
 * @throws SluiceError REFERENCE_INVALID for the user's name
 */
export function localName(reference: OciLayoutReference, options: LocalNameOptions = {}): RegistryReference {
  const { name, annotations = {}, defaultRegistry } = options;
  if (name !== undefined) {
    const named = parseReference(name, { defaultRegistry });
    if (named.digest !== null) throw invalid(`invalid digest: a given name has none: ${printable(name)}`, 'F18');
    return named;
  }
  const imageName = annotations[IMAGE_NAME_ANNOTATION];
  const refName = annotations[REF_NAME_ANNOTATION] ?? reference.tag;
  const found =
    (imageName !== undefined && namesHost(imageName) ? parseLabel(imageName, { defaultRegistry }) : null) ??
    (refName?.includes('/') ? parseLabel(refName, { defaultRegistry }) : null);
  return found ?? parseReference(`localhost/${pathOf(reference.dir)}:${tagOf(refName)}`);
}

function parseLabel(text: string, options: ReferenceOptions): RegistryReference | null {
  try {
    const reference = parseReference(text, options);
    return reference.digest === null ? reference : null;
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'REFERENCE_INVALID') return null;
    throw error;
  }
}

function namesHost(text: string): boolean {
  const [first, rest] = cut(text, '/');
  return rest !== null && isHost(first);
}

function pathOf(dir: string): string {
  const words = basename(resolve(dir))
    .toLowerCase()
    .match(/[a-z0-9]+/g) ?? ['image'];
  return words.join('-').slice(0, 128).replace(/-$/, '');
}

function tagOf(refName: string | null): string {
  const tag = (refName ?? '')
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 128);
  return tag === '' ? 'latest' : tag;
}

function parseLayout(text: string): OciLayoutReference {
  const { dir, tag } = splitLayout(text);
  if (dir === '' || dir.includes('\0')) throw invalid('no directory is named after oci:', 'G7');
  return freeze<OciLayoutReference>({ kind: 'oci', dir, tag });
}

function splitLayout(text: string): { dir: string; tag: string | null } {
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', colon + 1)) {
    const dir = text.slice(0, colon);
    const tag = text.slice(colon + 1);
    if (tag === '') return { dir, tag: null };
    if (TAG.test(tag) || REF_NAME.test(tag)) return { dir, tag };
  }
  return { dir: text, tag: null };
}

function splitHost(named: string, options: ReferenceOptions): { host: string; rest: string } {
  const byDefault = parseDefaultRegistry(options.defaultRegistry);
  const [first, rest] = cut(named, '/');
  if (rest === null || !isHost(first)) return { host: byDefault, rest: named };
  const host = parseHost(first);
  if (host === null) throw invalid(`invalid registry: ${printable(first)}`, 'G1');
  return { host, rest };
}

function isHost(text: string): boolean {
  return /[.:[]/.test(text) || text === 'localhost' || text !== text.toLowerCase();
}

/** @returns null when the text is no host */
function parseHost(text: string): string | null {
  const match = HOST.exec(text);
  if (!match) return null;
  const [, ipv6, port] = match;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return null;
  if (ipv6 !== undefined && (!isIPv6(ipv6) || isMappedIpv4(ipv6))) return null;
  const lower = text.toLowerCase();
  if (lower === HUB_OLDER_NAME) return HUB;
  return isHost(lower) ? lower : text;
}

/** An IPv4 address in the clothes of IPv6 would pass by tests for private IPv4 ranges. */
function isMappedIpv4(ipv6: string): boolean {
  return /^\[::ffff:[0-9a-f]+:[0-9a-f]+\]$/.test(new URL(`http://[${ipv6}]`).hostname);
}

function parsePath(host: string, text: string): string {
  if (text === '') throw invalid('repository is empty', 'G7');
  const path = LIBRARY_REGISTRIES.has(host) && !text.includes('/') ? `library/${text}` : text;
  if (path.length > MAX_PATH_LENGTH || !PATH.test(path))
    throw invalid(`invalid repository: ${printable(text)}`, path.length > MAX_PATH_LENGTH ? 'G3' : 'G7');
  return path;
}

function cut(text: string, separator: string): [before: string, after: string | null] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function freeze<T extends Reference>(fields: Omit<T, typeof referenceBrand>): T {
  return Object.freeze(fields) as T;
}

function printable(text: string): string {
  return text.slice(0, 200).replace(/\p{C}/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

function invalid(phrase: string, rule: string): SluiceError {
  return new SluiceError('REFERENCE_INVALID', {
    message: `invalid image reference: ${phrase}`,
    rule: `compat ${rule}`,
  });
}
