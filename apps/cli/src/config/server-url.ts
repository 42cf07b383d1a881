import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';

/** Where `npm start` listens unless told otherwise. */
export const DEFAULT_URL = 'http://127.0.0.1:8080';

/**
 * The URL of a server as it is stored and compared: scheme, host and path prefix without a slash at the end.
 * `sluice.example.com` means https, a loopback address http.
 *
 * @throws CliError usage
 */
export function parseServerUrl(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? text
    : `${isLoopback(text) ? 'http' : 'https'}://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new CliError(EXIT.usage, `invalid server URL: expected something like https://sluice.example.com`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new CliError(EXIT.usage, 'a server URL must not contain a user name or password', {
      hint: 'use `sluice login -u USER --password-stdin`, or SLUICE_USER and SLUICE_PASSWORD',
    });
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** Credentials to this server would cross a network in the clear. */
export function isUnencrypted(url: string): boolean {
  const { protocol, host } = new URL(url);
  return protocol === 'http:' && !isLoopback(host);
}

/** Host and port of the registry that a server URL belongs to, as references write it. */
export function registryHost(url: string): string {
  return new URL(url).host;
}

function isLoopback(hostAndRest: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(?=[:/]|$)/i.test(hostAndRest);
}
