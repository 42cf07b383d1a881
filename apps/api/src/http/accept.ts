/**
 * True when a client would rather have text for people than JSON: it names `text/plain` or `text/html` with at least
 * the weight of `application/json`. A wildcard alone means JSON. RFC 9110, 12.5.1.
 */
export function prefersText(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const weights = new Map<string, number>();
  for (const part of accept.split(',').slice(0, 32)) {
    const [type = '', ...parameters] = part.split(';').map((each) => each.trim().toLowerCase());
    const quality = parameters.find((each) => each.startsWith('q='))?.slice(2);
    weights.set(type, quality === undefined ? 1 : Number(quality) || 0);
  }
  const text = Math.max(weights.get('text/plain') ?? 0, weights.get('text/html') ?? 0);
  return text > 0 && text >= (weights.get('application/json') ?? 0);
}
