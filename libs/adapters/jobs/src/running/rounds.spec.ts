import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Rounds } from './rounds.ts';

describe('rounds of work', () => {
  it('are one at a time, and asking during one, however often, brings one more', async () => {
    let [running, most, rounds] = [0, 0, 0];
    const work = new Rounds(async () => {
      rounds += 1;
      most = Math.max(most, (running += 1));
      await sleep(10);
      running -= 1;
    });
    work.open();
    work.ask();
    await sleep(2);
    for (let index = 0; index < 5; index++) work.ask();
    expect(work.isAsked).toBe(true);
    await sleep(60);
    expect([rounds, most, work.isAsked]).toEqual([2, 1, false]);
    await work.close();
  });

  it('come at the sooner of two times, and once', async () => {
    let rounds = 0;
    const work = new Rounds(async () => void (rounds += 1));
    work.open();
    work.askIn(10_000);
    work.askIn(5);
    work.askIn(10_000);
    await sleep(60);
    expect(rounds).toBe(1);
    await work.close();
  });

  it('end with the one under way, and do not begin before they are opened', async () => {
    let rounds = 0;
    const work = new Rounds(async () => {
      await sleep(20);
      rounds += 1;
    });
    work.ask();
    await sleep(40);
    expect(rounds).toBe(0);
    work.open();
    work.ask();
    work.ask();
    await work.close();
    expect(rounds).toBe(1);
    work.ask();
    work.askIn(1);
    await sleep(40);
    expect(rounds).toBe(1);
  });
});
