import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StartError } from './start-error.ts';
import { ONE, TWO } from './testing/certificates.ts';
import { readTls, tlsFiles } from './tls.ts';

describe('certificate and key', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function faultOf(cert: string | null, key: string | null, now?: Date): string {
    const files = { certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') };
    if (cert !== null) writeFileSync(files.certFile, cert);
    if (key !== null) writeFileSync(files.keyFile, key);
    try {
      readTls(files, now);
      return 'none';
    } catch (error) {
      expect(error).toBeInstanceOf(StartError);
      return (error as Error).message;
    }
  }

  it('belong together, and may have intermediates behind them', () => {
    expect(faultOf(ONE.cert, ONE.key)).toBe('none');
    expect(faultOf(ONE.cert + TWO.cert, ONE.key)).toBe('none');
  });

  it('are both set or none', () => {
    expect(tlsFiles({ tlsCertFile: undefined, tlsKeyFile: undefined })).toBeNull();
    expect(tlsFiles({ tlsCertFile: '/c', tlsKeyFile: '/k' })).toEqual({ certFile: '/c', keyFile: '/k' });
    expect(() => tlsFiles({ tlsCertFile: '/c', tlsKeyFile: undefined })).toThrow(
      /SLUICE_TLS_CERT_FILE is set and SLUICE_TLS_KEY_FILE is not/,
    );
    expect(() => tlsFiles({ tlsCertFile: undefined, tlsKeyFile: '/k' })).toThrow(
      /SLUICE_TLS_KEY_FILE is set and SLUICE_TLS_CERT_FILE is not/,
    );
  });

  it.each([
    ['a certificate that is not there', null, ONE.key, /SLUICE_TLS_CERT_FILE: cannot read the file: ENOENT/],
    ['a key that is not there', ONE.cert, null, /SLUICE_TLS_KEY_FILE: cannot read the file: ENOENT/],
    ['no PEM', 'x', ONE.key, /SLUICE_TLS_CERT_FILE .*expected a PEM certificate.*no PEM at all/],
    ['files that were swapped', ONE.key, ONE.cert, /SLUICE_TLS_CERT_FILE .*begins with PRIVATE KEY/],
    ['a certificate as key', ONE.cert, TWO.cert, /SLUICE_TLS_KEY_FILE .*begins with CERTIFICATE/],
    ['the key of another', ONE.cert, TWO.key, /does not belong to the first certificate .*DNS:localhost/],
    ['the chain in the wrong order', TWO.cert + ONE.cert, ONE.key, /own certificate comes first/],
    [
      'a key behind a password',
      ONE.cert,
      ONE.encryptedKey,
      /SLUICE_TLS_KEY_FILE .*encrypted with a password/,
    ],
    [
      'a certificate that was cut short',
      ONE.cert.replace(/\n[^\n]+\n-----END/, '\n-----END'),
      ONE.key,
      /SLUICE_TLS_CERT_FILE /,
    ],
  ])('are refused with what is wrong: %s', (_, cert, key, message) => {
    expect(faultOf(cert, key)).toMatch(message);
  });

  it('are refused when the certificate is not valid now', () => {
    expect(faultOf(ONE.cert, ONE.key, new Date('2225-01-01'))).toMatch(/is valid from .* and not now/);
    expect(faultOf(ONE.cert, ONE.key, new Date('2020-01-01'))).toMatch(/is valid from .* and not now/);
  });
});
