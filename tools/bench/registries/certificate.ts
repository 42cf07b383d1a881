import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../system/run.ts';
import type { Transport } from './registry.ts';

/** A self-signed certificate of localhost, the same for every registry: ECDSA, as public CAs issue it by default. */
export async function createTls(directory: string): Promise<NonNullable<Transport['tls']>> {
  const [certificateFile, keyFile] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  await run('openssl', [
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'.split(' '),
    ...`-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${keyFile} -out ${certificateFile}`.split(
      ' ',
    ),
  ]);
  return { certificateFile, keyFile, pem: readFileSync(certificateFile, 'utf8') };
}
