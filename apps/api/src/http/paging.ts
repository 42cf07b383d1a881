import { z } from 'zod';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './problem.ts';

export const PAGE_LIMIT_DEFAULT = 50;
export const PAGE_LIMIT_MAX = 500;

/** The query parameters of every list; spread them into the strict schema of the route. */
export const pageParameters = {
  limit: z.coerce
    .number({ error: `expected a whole number from 1 to ${PAGE_LIMIT_MAX}` })
    .int(`expected a whole number from 1 to ${PAGE_LIMIT_MAX}`)
    .min(1, `expected a whole number from 1 to ${PAGE_LIMIT_MAX}`)
    .max(PAGE_LIMIT_MAX, `expected a whole number from 1 to ${PAGE_LIMIT_MAX}`)
    .default(PAGE_LIMIT_DEFAULT),
  after: z.string().max(2_048).optional(),
};

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly page: { readonly next: string | null; readonly limit: number };
}

/**
 * Builds one page of a list.
 *
 * A cursor is the sort key of the last item, so a page costs the same wherever it is, and nothing is skipped or shown
 * twice when rows come and go. It gives no access by itself: what a caller may see is decided for every page.
 *
 * @param fetch gets the key of the last item before (null for the first page) and how many items to bring
 * @param keyOf the sort key of an item: what `fetch` understands as `after`
 * @param cursor checks a key that comes back from a client, e.g. `z.uuid()`
 */
export async function page<Item, View>(
  query: { limit: number; after?: string | undefined },
  parts: {
    fetch: (after: string | null, limit: number) => Promise<readonly Item[]>;
    keyOf: (item: Item) => string;
    cursor: z.ZodType<string>;
    present: (item: Item) => View;
  },
): Promise<Page<View>> {
  const after = query.after === undefined ? null : decodeCursor(query.after, parts.cursor);
  const found = await parts.fetch(after, query.limit + 1);
  const items = found.slice(0, query.limit);
  const last = items.at(-1);
  const next = found.length > query.limit && last !== undefined ? encodeCursor(parts.keyOf(last)) : null;
  return { items: items.map(parts.present), page: { next, limit: query.limit } };
}

/** `Link: <…>; rel="next"` (RFC 8288), a relative reference so that it holds behind any proxy. */
export function linkNext(request: FastifyRequest, reply: FastifyReply, next: string | null): void {
  if (next === null) return;
  const [path = '', search = ''] = request.url.split('?', 2);
  const parameters = new URLSearchParams(search);
  parameters.set('after', next);
  void reply.header('link', `<${path}?${parameters.toString()}>; rel="next"`);
}

export function encodeCursor(key: string): string {
  return Buffer.from(JSON.stringify([1, key])).toString('base64url');
}

export function decodeCursor(text: string, schema: z.ZodType<string>): string {
  const shape = z.tuple([z.literal(1), schema]);
  try {
    const parsed = shape.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
    if (parsed.success) return parsed.data[1];
  } catch {
    // Not JSON: the same answer as for any other text that is no cursor.
  }
  throw new ApiError('validation-failed', 'after: this is no cursor of this list; begin again without it', [
    { pointer: '/after', message: 'expected page.next of the page before' },
  ]);
}
