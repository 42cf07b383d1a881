/** `expiresAt` of a request, from a time in seconds; nothing when none is given. */
export function expiryIn(seconds: number | undefined): { expiresAt?: string } {
  return seconds === undefined ? {} : { expiresAt: new Date(Date.now() + seconds * 1000).toISOString() };
}
