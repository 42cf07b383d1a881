import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, DEFAULT_CIPHERS, type SecureContextOptions } from 'node:tls';
import { EXIT, StartError } from './start-error.ts';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Which files the settings name; null for plain HTTP.
 *
 * @throws StartError when only one of the two is set
 */
export function tlsFiles(settings: {
  readonly tlsCertFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
}): TlsFiles | null {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile } = settings;
  if (certFile === undefined && keyFile === undefined) return null;
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  const [given, missing] =
    certFile === undefined
      ? ['SLUICE_TLS_KEY_FILE', 'SLUICE_TLS_CERT_FILE']
      : ['SLUICE_TLS_CERT_FILE', 'SLUICE_TLS_KEY_FILE'];
  throw new StartError(
    `${given} is set and ${missing} is not: set both for HTTPS, or none for HTTP`,
    EXIT.configuration,
  );
}

/** What clients written in Go ask for first; takes a quarter less time for every byte than Node's first choice, AES-256. */
const FIRST_SUITE = 'TLS_AES_128_GCM_SHA256';

/** TLS 1.2 and newer, HTTP/1.1: what registry clients speak and what large bodies are fastest with. */
const PROTOCOL = {
  minVersion: 'TLSv1.2',
  ALPNProtocols: ['http/1.1'],
  ciphers: preferring(FIRST_SUITE, DEFAULT_CIPHERS.split(':')).join(':'),
  honorCipherOrder: true,
} as const;

/** The same suites in another order: one that was taken out of the list stays out. */
function preferring(suite: string, suites: readonly string[]): readonly string[] {
  return suites.toSorted((a, b) => Number(b === suite) - Number(a === suite));
}

/**
 * Reads certificate and key and checks that they belong together.
 *
 * @throws StartError that names the file and what is wrong with it
 */
export function readTls(files: TlsFiles, now: Date = new Date()): SecureContextOptions & typeof PROTOCOL {
  const cert = readPem('SLUICE_TLS_CERT_FILE', files.certFile);
  const key = readPem('SLUICE_TLS_KEY_FILE', files.keyFile);
  const certificate = parse('SLUICE_TLS_CERT_FILE', files.certFile, () => firstCertificate(cert));
  const privateKey = parse('SLUICE_TLS_KEY_FILE', files.keyFile, () => unencryptedKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new StartError(
      `the key of SLUICE_TLS_KEY_FILE ${files.keyFile} does not belong to the first certificate of ` +
        `SLUICE_TLS_CERT_FILE ${files.certFile} (${subjectOf(certificate)}); the server's own certificate comes first`,
    );
  }
  if (certificate.validToDate < now || certificate.validFromDate > now) {
    throw new StartError(
      `the certificate of SLUICE_TLS_CERT_FILE ${files.certFile} (${subjectOf(certificate)}) is valid from ` +
        `${certificate.validFromDate.toISOString()} to ${certificate.validToDate.toISOString()}, and not now`,
    );
  }
  parse('SLUICE_TLS_CERT_FILE', files.certFile, () => createSecureContext({ cert, key }));
  return { ...PROTOCOL, cert, key };
}

function readPem(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new StartError(`${setting}: cannot read the file: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}

function parse<Value>(setting: string, path: string, body: () => Value): Value {
  try {
    return body();
  } catch (cause) {
    throw new StartError(`${setting} ${path}: ${(cause as Error).message}`, undefined, { cause });
  }
}

function firstCertificate(text: string): X509Certificate {
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error(`expected a PEM certificate (-----BEGIN CERTIFICATE-----)${found(text)}`);
  }
  return new X509Certificate(text);
}

function unencryptedKey(text: string): ReturnType<typeof createPrivateKey> {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw new Error('the key is encrypted with a password: write it without one (openssl pkey -in … -out …)');
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(text)) {
    throw new Error(`expected a PEM private key (-----BEGIN PRIVATE KEY-----)${found(text)}`);
  }
  return createPrivateKey(text);
}

function found(text: string): string {
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1];
  return label === undefined ? ', and the file holds no PEM at all' : `, and the file begins with ${label}`;
}

function subjectOf(certificate: X509Certificate): string {
  return (certificate.subjectAltName ?? certificate.subject).replaceAll('\n', ', ');
}
