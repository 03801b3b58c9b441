import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory, type Cleanup } from './temporary.js';

const run = promisify(execFile);

/** Files of a key and its certificate, PEM. */
export interface KeyPair {
  readonly keyFile: string;
  readonly certificateFile: string;
  readonly key: string;
  readonly cert: string;
}

/** An authority of the test's own. */
export interface Authority {
  readonly certificateFile: string;
  /**
   * Makes a certificate for names as openssl writes them, e.g. `IP:127.0.0.1` or `DNS:localhost`.
   * @param days negative: it has expired
   */
  issue(names: string, days?: number): Promise<KeyPair>;
  /** DER of a certificate, base64, as `x5c` has it. */
  derOf(pair: KeyPair): Promise<string>;
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export async function createAuthority(t: Cleanup): Promise<Authority> {
  const directory = temporaryDirectory(t, 'sluice-authority');
  const file = (name: string): string => join(directory, name);
  const [caKey, certificateFile] = [file('ca.key'), file('ca.pem')];
  const subject = ['-subj', '/CN=authority of a test'];
  await run('openssl', [
    'req',
    '-x509',
    ...EC_KEY,
    '-days',
    '2',
    ...subject,
    '-keyout',
    caKey,
    '-out',
    certificateFile,
  ]);
  let issued = 0;
  return {
    certificateFile,
    issue: async (names, days = 2) => {
      const name = `issued-${++issued}`;
      const [keyFile, request, certificate] = [file(`${name}.key`), file(`${name}.csr`), file(`${name}.pem`)];
      const asking = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`];
      await run('openssl', ['req', ...EC_KEY, ...asking, '-keyout', keyFile, '-out', request]);
      const signing = ['-CA', certificateFile, '-CAkey', caKey, '-CAcreateserial', '-copy_extensions', 'copy'];
      await run('openssl', ['x509', '-req', '-in', request, ...signing, '-days', String(days), '-out', certificate]);
      const read = (path: string): string => readFileSync(path, 'utf8');
      return { keyFile, certificateFile: certificate, key: read(keyFile), cert: read(certificate) };
    },
    derOf: async ({ certificateFile: certificate }) => {
      const { stdout } = await run('openssl', ['x509', '-in', certificate, '-outform', 'DER'], { encoding: 'buffer' });
      return stdout.toString('base64');
    },
  };
}
