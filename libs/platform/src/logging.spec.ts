import { describe, expect, it } from 'vitest';
import { createLogger, redactUrl } from './logging.ts';

function logged(record: object): string {
  let output = '';
  const logger = createLogger('info', { write: (line: string) => void (output += line) });
  logger.info(record, 'message');
  return output;
}

describe('log records', () => {
  it('never contain a credential, at the top or two levels down', () => {
    const secret = 'slc_pat_verysecret';
    const output = logged({
      password: secret,
      headers: { authorization: secret, 'set-cookie': secret },
      request: { headers: { authorization: secret, cookie: secret } },
    });
    expect(output).not.toContain(secret);
    expect(output).toContain('[redacted]');
  });

  it('lose user info and signed queries of URLs', () => {
    expect(redactUrl('postgres://sluice:pw@127.0.0.1/db')).toBe('postgres://[redacted]@127.0.0.1/db');
    expect(redactUrl('/x?X-Amz-Signature=abc&n=1')).toBe('/x?X-Amz-Signature=[redacted]&n=1');
    expect(redactUrl('/v2/team/app/tags/list?n=1')).toBe('/v2/team/app/tags/list?n=1');
  });
});
