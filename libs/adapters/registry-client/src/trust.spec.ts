import { describe, expect, it } from 'vitest';
import { Authenticator } from './authenticator.ts';
import { redirectTarget } from './transport.ts';

describe('redirectTarget', () => {
  const secure = new URL('https://registry.example/v2/a/blobs/x');
  const plain = new URL('http://127.0.0.1:5000/v2/a/blobs/x');

  it.each([
    [secure, 'https://store.example/x?signature=y', 'https://store.example/x?signature=y'],
    [secure, '/other', 'https://registry.example/other'],
    [plain, 'http://127.0.0.1:9000/x', 'http://127.0.0.1:9000/x'],
    [plain, 'https://store.example/x', 'https://store.example/x'],
  ])('from %s with %j leads to %s', (from, location, expected) => {
    expect(redirectTarget(from, location).href).toBe(expected);
  });

  it.each([
    [secure, 'http://registry.example/other'],
    [secure, null],
    [plain, ''],
    [plain, 'file:///etc/passwd'],
    [plain, 'http://['],
  ])('from %s with %j is refused as PROTOCOL', (from, location) => {
    expect(() => redirectTarget(from, location)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  });
});

describe('the realm of a Bearer challenge', () => {
  const answer = (registry: string, realm: string): Promise<string> =>
    new Authenticator(new URL(registry), { username: 'ada', password: 'x' }).answer(
      `Bearer realm="${realm}"`,
      null,
      AbortSignal.abort(),
    );

  it.each([
    ['https://registry.example', 'http://registry.example/token'],
    ['https://registry.example', 'https://10.0.0.1/token'],
    ['https://registry.example', 'https://192.168.1.1/token'],
    ['https://registry.example', 'https://172.16.0.1/token'],
    ['https://registry.example', 'https://169.254.169.254/latest'],
    ['https://registry.example', 'https://localhost:8443/token'],
    ['https://registry.example', 'https://[::1]/token'],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token'],
    ['http://127.0.0.1:5000', 'http://auth.example/token'],
  ])('of %s may not be %s: the password would go there', async (registry, realm) => {
    await expect(answer(registry, realm)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  it.each([
    ['https://registry.example', 'https://registry.example/token'],
    ['https://registry.example', 'https://auth.example/token'],
    ['https://10.0.0.1:5000', 'https://10.0.0.1:5000/token'],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token'],
    ['http://127.0.0.1:5000', 'https://auth.example/token'],
  ])('of %s may be %s', async (registry, realm) => {
    // The request is cut off before it leaves: that it would have been sent is what is asked here.
    await expect(answer(registry, realm)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});
