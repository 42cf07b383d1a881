import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../system/run.ts';

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** What whoever is to trust it is given: it is its own CA. */
  readonly pem: string;
}

/** A self-signed certificate of localhost in a directory: ECDSA, as public CAs issue it by default. */
export async function createCertificate(directory: string): Promise<Certificate> {
  const [certificateFile, keyFile] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  await run('openssl', [
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'.split(' '),
    ...`-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${keyFile} -out ${certificateFile}`.split(
      ' ',
    ),
  ]);
  return { certificateFile, keyFile, pem: readFileSync(certificateFile, 'utf8') };
}
