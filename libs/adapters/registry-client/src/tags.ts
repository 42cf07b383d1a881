import { RegistryClientError } from './errors.ts';

/** The names in a page of the list of tags. @throws RegistryClientError PROTOCOL */
export function parseTags(body: Buffer): readonly string[] {
  try {
    const { tags } = JSON.parse(body.toString('utf8')) as { tags?: unknown };
    // Null stands for an empty list in what `distribution` sends.
    if (tags === null || tags === undefined) return [];
    if (Array.isArray(tags)) return tags.filter((tag) => typeof tag === 'string');
  } catch {
    // Falls through to the same refusal as JSON that is no list of tags.
  }
  throw new RegistryClientError('PROTOCOL', 'the list of tags is not in the form of the specification');
}
