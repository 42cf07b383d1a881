import { readFileSync } from 'node:fs';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { createTestApi } from './testing/test-api.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');

describe('docs/api.md', () => {
  it('lists every route, and none that does not exist', async () => {
    const served = new Set<string>();
    const server = fastify();
    server.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) {
        if (url.startsWith('/api/v1/') && each !== 'HEAD' && each !== 'OPTIONS') {
          served.add(`${each} ${url.slice('/api/v1'.length).replaceAll(/:\w+/g, '{id}')}`);
        }
      }
    });
    await using _api = await createTestApi({ server });
    const documented = [...DOCUMENT.matchAll(/^\| `([A-Z]+ \/[^`]*)` \|/gm)].map((match) => match[1]);
    expect(documented.length).toBe(new Set(documented).size);
    expect(documented.toSorted()).toEqual([...served].toSorted());
  });
});
