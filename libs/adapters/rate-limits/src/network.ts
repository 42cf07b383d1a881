const REMEMBERED = 10_000;
const networks = new Map<string, string>();

/**
 * Whom an address counts for: itself, or for IPv6 its network of 64 bits, because one host has them all (RFC 6177).
 * An IPv4 address in the form of IPv6 is the IPv4 address.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const known = networks.get(address);
  if (known !== undefined) return known;
  const network = networkOfV6(address);
  if (networks.size >= REMEMBERED) networks.clear();
  networks.set(address, network);
  return network;
}

function networkOfV6(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  const first = groups.slice(0, 4).map((group) => (Number.parseInt(group, 16) || 0).toString(16));
  return `${first.join(':')}::/64`;
}
