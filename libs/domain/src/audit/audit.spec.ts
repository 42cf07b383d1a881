import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHAIN_START, type ChainLink, type ChainedEvent, followChain, hashEvent, isBroken } from './chain.ts';
import { redactDetail } from './redact.ts';

function chain(length: number): ChainLink[] {
  const links: ChainLink[] = [];
  let previousHash = CHAIN_START.hash;
  for (let seq = 1; seq <= length; seq += 1) {
    const event: ChainedEvent = {
      seq,
      id: `id-${seq}`,
      at: '2026-11-21T10:00:00.000Z',
      actor: 'admin',
      tokenId: null,
      clientAddress: '127.0.0.1',
      action: 'grant.put',
      resource: 'team/app',
      decision: 'allowed',
      policyVersion: null,
      detail: { role: 'developer', seq },
      requestId: `req-${seq}`,
    };
    const hash = hashEvent(previousHash, event);
    links.push({ event, previousHash, hash });
    previousHash = hash;
  }
  return links;
}

describe('the chain of audit events', () => {
  const links = chain(6);
  const end = { seq: 6, hash: links[5]?.hash };

  it('holds when nothing was touched, also when it is read in parts', () => {
    expect(followChain(CHAIN_START, links)).toEqual(end);
    const half = followChain(CHAIN_START, links.slice(0, 3));
    expect(isBroken(half) || followChain(half, links.slice(3))).toEqual(end);
  });

  it('names the first event of which any member was changed', () => {
    const members = Object.keys(links[0]?.event ?? {}).filter((key) => key !== 'seq');
    fc.assert(
      fc.property(fc.constantFrom(...members), fc.nat(5), (member, index) => {
        const forged = links.map((link, at) =>
          at === index ? { ...link, event: { ...link.event, [member]: 'forged' } } : link,
        );
        expect(followChain(CHAIN_START, forged)).toMatchObject({ seq: index + 1 });
      }),
      { seed: 1 },
    );
  });

  it('notices a removed event, a doubled one and two that changed places', () => {
    expect(followChain(CHAIN_START, links.toSpliced(2, 1))).toMatchObject({ seq: 3 });
    expect(followChain(CHAIN_START, [...links.slice(0, 3), ...links.slice(2)])).toMatchObject({ seq: 4 });
    const swapped = [links[0], links[2], links[1]] as ChainLink[];
    expect(followChain(CHAIN_START, swapped)).toMatchObject({ seq: 2 });
  });

  it('notices an event that was forged together with its own hash', () => {
    const event = { ...(links[2] as ChainLink).event, actor: 'nobody' };
    const { previousHash } = links[2] as ChainLink;
    const forged = links.with(2, { event, previousHash, hash: hashEvent(previousHash, event) });
    expect(followChain(CHAIN_START, forged)).toMatchObject({ seq: 4 });
  });
});

describe('the detail of an audit event', () => {
  it('loses the text of members that speak of secrets, at any depth', () => {
    expect(
      redactDetail({
        password: 'a',
        body: { clientSecret: 'b', access_token: 'c', list: [{ privateKey: 'd' }] },
        tokenId: 'kept',
        secretName: 'kept',
        tokens: 3,
      }),
    ).toEqual({
      password: '[redacted]',
      body: { clientSecret: '[redacted]', access_token: '[redacted]', list: [{ privateKey: '[redacted]' }] },
      tokenId: 'kept',
      secretName: 'kept',
      tokens: 3,
    });
  });

  it('is cut where it is too long, too many or too deep', () => {
    const deep: Record<string, unknown> = {};
    deep['self'] = deep;
    const cut = redactDetail({ text: 'x'.repeat(10_000), list: Array.from({ length: 1000 }), deep });
    expect(JSON.stringify(cut).length).toBeLessThan(4000);
  });
});
