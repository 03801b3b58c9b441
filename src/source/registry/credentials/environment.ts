import { SluiceError } from '../../../errors.js';
import { parseDefaultRegistry } from '../../../oci/reference.js';
import type { Credential } from './credential.js';
import { parseCredentials } from './parse-credentials.js';
import { normalizeKey } from './registry-key.js';

/**
 * `SLUICE_USERNAME` and `SLUICE_PASSWORD`, for the one host they belong to: a pair without a host would go to whatever
 * host a user names (R28).
 * @throws SluiceError CONFIG_INVALID when there is one without the other
 */
export function readEnvironmentCredential(
  host: string,
  environment: NodeJS.ProcessEnv = process.env,
): Credential | null {
  const { SLUICE_USERNAME: username = '', SLUICE_PASSWORD: password = '', SLUICE_REGISTRY: registry } = environment;
  if (username === '' && password === '') return null;
  if (username === '' || password === '') {
    const missing = username === '' ? 'SLUICE_USERNAME' : 'SLUICE_PASSWORD';
    const message = `reading the environment: ${missing} is not set, and its counterpart is`;
    throw new SluiceError('CONFIG_INVALID', { message, rule: 'registry R28' });
  }
  const owner = registry || parseDefaultRegistry(environment['OCI_REGISTRY_DOMAIN']);
  if (normalizeKey(owner) !== normalizeKey(host)) return null;
  return parseCredentials({ username, password }, 'reading SLUICE_USERNAME and SLUICE_PASSWORD');
}
