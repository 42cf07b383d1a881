import { randomUUID } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { RedisLink, type RedisLinkSettings } from './redis-link.ts';

const REDIS_URL = process.env['SLUICE_TEST_REDIS_URL'] ?? '';

let links: RedisLink[] = [];
afterEach(() => {
  for (const link of links) link.close();
  links = [];
});

function open(settings: Partial<RedisLinkSettings> & { url: string }) {
  const told: string[] = [];
  const link = new RedisLink(
    { purpose: 'test', checkIntervalMs: 50, ...settings },
    {
      onUp: ({ isReturn, isEmpty }) => told.push(`${isReturn ? 'back' : 'up'}${isEmpty ? ' empty' : ''}`),
      onDown: () => told.push('down'),
    },
  );
  links.push(link);
  return { link, told };
}

describe('a link to Redis that is not there', () => {
  it('fails commands at once, and tells of the outage once', async () => {
    const { link, told } = open({ url: 'redis://127.0.0.1:1' });
    expect(await link.untilUp(200)).toBe(false);
    const startedAt = performance.now();
    await expect(link.commands.get('x')).rejects.toThrow();
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(told).toEqual(['down']);
  });

  it('gives a server that takes connections and never answers up after the time for a command', async () => {
    const silent = createServer();
    const sockets: Socket[] = [];
    silent.on('connection', (socket) => sockets.push(socket));
    await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
    const { port } = silent.address() as { port: number };
    const { link, told } = open({ url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 50 });
    await expect.poll(() => told).toEqual(['down']);
    expect(link.isUp).toBe(false);
    // The connection may lead nowhere: others are tried.
    await expect.poll(() => sockets.length, { timeout: 5_000 }).toBeGreaterThan(1);
    link.close();
    await closed(silent, sockets);
  });
});

describe.skipIf(REDIS_URL === '')('a link to Redis', () => {
  it('tells one of several processes that its keys are gone, and puts purpose and prefix before keys', async () => {
    const prefix = `link-${randomUUID()}`;
    const [one, two] = [open({ url: REDIS_URL, prefix }), open({ url: REDIS_URL, prefix })];
    expect([await one.link.untilUp(2_000), await two.link.untilUp(2_000)]).toEqual([true, true]);
    expect([one.told, two.told].flat().toSorted()).toEqual(['up', 'up empty']);
    expect(one.link.prefix).toBe(`${prefix}:test`);
    await one.link.commands.del(`${prefix}:test:mark`);
    await expect.poll(() => [...one.told, ...two.told].filter((each) => each === 'up empty')).toHaveLength(2);
    await sleep(200);
    expect([...one.told, ...two.told]).toHaveLength(3);
  });

  it('tells of a lost connection and of its return', async () => {
    const { link, told } = open({ url: REDIS_URL, prefix: `link-${randomUUID()}` });
    await link.untilUp(2_000);
    const id = Number(await link.commands.client('ID'));
    await link.commands.client('KILL', 'ID', id, 'SKIPME', 'no').catch(() => undefined);
    await expect.poll(() => told).toEqual(['up empty', 'down', 'back']);
  });
});

async function closed(server: Server, sockets: readonly Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
}
