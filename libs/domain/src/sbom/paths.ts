/** Like the kernel's limit (ELOOP): a path that follows more links than this leads nowhere. */
const MAX_LINKS = 40;

/**
 * A path of an archive or the target of a link as components below the root of the image. `..` cannot leave the
 * root, as in a container. `escapes` tells that it tried.
 */
export function normalizePath(raw: string): { readonly path: string; readonly escapes: boolean } {
  const parts: string[] = [];
  let escapes = false;
  for (const part of raw.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) escapes = true;
  }
  return { path: parts.join('/'), escapes };
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Every proper ancestor of a path, nearest first, without the root. */
export function ancestorsOf(path: string): string[] {
  const ancestors: string[] = [];
  for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) ancestors.push(parent);
  return ancestors;
}

/**
 * Follows symbolic links in every component of a path.
 *
 * @param links path of a link -> its target as written
 * @returns the path without links; null for a cycle or a chain that is too long. It need not exist.
 */
export function resolvePath(path: string, links: ReadonlyMap<string, string>): string | null {
  const pending = path
    .split('/')
    .filter((part) => part !== '')
    .toReversed();
  const resolved: string[] = [];
  let followed = 0;
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === '.') continue;
    if (part === '..') {
      resolved.pop();
      continue;
    }
    const target = links.get([...resolved, part].join('/'));
    if (target === undefined) {
      resolved.push(part);
      continue;
    }
    followed += 1;
    if (followed > MAX_LINKS) return null;
    if (target.startsWith('/')) resolved.length = 0;
    pending.push(
      ...target
        .split('/')
        .filter((piece) => piece !== '')
        .toReversed(),
    );
  }
  return resolved.join('/');
}

/** Where an entry of that name lands: links in its directory are followed, the last component is not. */
export function resolveParent(path: string, links: ReadonlyMap<string, string>): string | null {
  const parent = resolvePath(parentOf(path), links);
  if (parent === null) return null;
  return parent === '' ? baseOf(path) : `${parent}/${baseOf(path)}`;
}
