import { SluiceError } from '../../errors.js';
import { parseReference } from '../../oci/reference.js';
import { checkLogin } from './check-login.js';
import {
  forgetCredential,
  keepCredential,
  openKeeping,
  type Keeping,
  type Kept,
} from './credentials/keep-credential.js';
import { parseCredentials } from './credentials/parse-credentials.js';
import { dockerConfigPath } from './credentials/places.js';
import { normalizeKey } from './credentials/registry-key.js';
import { createRegistryClient } from './registry-client.js';
import { createRepository } from './repository.js';
import { readAuthorities } from './tls.js';

/** Options of {@link logout}. */
export interface LogoutOptions {
  /** A file in podman's form; default: docker's `config.json`. */
  readonly authFile?: string;
  readonly signal?: AbortSignal;
}

/** Options of {@link login}. */
export interface LoginOptions extends LogoutOptions {
  readonly username: string;
  readonly password: string;
  /** Speak plain HTTP with the host. */
  readonly plainHttp?: boolean;
  /** Files of certificate authorities (PEM), trusted beside those of Node and of the system. */
  readonly tlsCa?: readonly string[];
  /** Do not verify the host's certificate. */
  readonly skipVerify?: boolean;
  /** Takes what the user may want to know though nothing failed. */
  readonly onNotice?: (message: string) => void;
}

/** Where a login is kept. */
export interface Login extends Kept {
  readonly host: string;
  readonly username: string;
  /** False: the registry asks nobody to log in, so that nothing was checked. */
  readonly isChecked: boolean;
}

/**
 * Shows a registry user and password, and when it takes them keeps them where docker does.
 * @param host `host[:port]`, or `docker.io`
 * @throws SluiceError CONFIG_INVALID | AUTH_FAILED | STORE_FAILED | DISK_FULL, or by registry §12
 * @see registry R34
 */
export async function login(host: string, options: LoginOptions): Promise<Login> {
  const { username, password } = options;
  const keeping = keepingOf(host, options);
  const name = keeping.host;
  parseCredentials({ username, password }, `logging in to ${name}`);
  await openKeeping(keeping);
  const client = createRegistryClient();
  try {
    const repository = createRepository(
      { host: name, path: '' },
      {
        client,
        plainHttp: options.plainHttp ? [name] : [],
        tls: { authorities: readAuthorities(options.tlsCa ?? []), skipVerify: options.skipVerify ? [name] : [] },
        credentials: { username, password },
        maxTokenBytes: 1024 * 1024,
        notice: (level, message) => level === 'warn' && options.onNotice?.(message),
      },
    );
    const isChecked = await checkLogin(repository, keeping.signal);
    return { host: name, username, isChecked, ...(await keepCredential(keeping, { username, password })) };
  } finally {
    await client.close();
  }
}

/**
 * Forgets what {@link login} kept.
 * @returns false when there was nothing
 * @throws SluiceError CONFIG_INVALID | STORE_FAILED | DISK_FULL
 */
export async function logout(host: string, options: LogoutOptions = {}): Promise<boolean> {
  return forgetCredential(keepingOf(host, options));
}

function keepingOf(text: string, { authFile, signal }: LogoutOptions): Keeping {
  const host = normalizeKey(text);
  return {
    path: authFile ?? dockerConfigPath(),
    host: isHost(host) ? host : refuse(text),
    form: authFile === undefined ? 'docker' : 'containers',
    signal: signal ?? new AbortController().signal,
  };
}

/** What a reference would take for its host. */
function isHost(host: string): boolean {
  try {
    return parseReference(`${host}/image`).host.toLowerCase() === host;
  } catch {
    return false;
  }
}

function refuse(text: string): never {
  throw new SluiceError('CONFIG_INVALID', {
    message: `reading the host ${JSON.stringify(text.slice(0, 200))}`,
    rule: 'registry R34',
    hint: 'A host has a dot or a port, for example ghcr.io or localhost:5000; the Hub is docker.io.',
  });
}
