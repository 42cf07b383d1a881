import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, JobLedger, JobRequest } from '@sluice/database';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Dispatcher,
  type DispatcherOptions,
  type JobHandler,
  PermanentJobError,
} from '../dispatcher.ts';

/** What a dispatcher brings to be tested: a ledger of its own, short times (lease 1 s, first delay at most 50 ms). */
export interface DispatcherHarness {
  readonly ledger: JobLedger;
  createDispatcher(): Dispatcher;
  /** Makes a queued job look as if its worker had died while it ran, its lease ending at once. */
  strand(jobId: string): Promise<void>;
  close(): Promise<void>;
}

/** The promises of {@link Dispatcher} and of the ledger, for every implementation. */
export function describeDispatcher(name: string, open: () => Promise<DispatcherHarness>): void {
  describe(`dispatcher contract: ${name}`, () => {
    let harness: DispatcherHarness;
    let ledger: JobLedger;
    let dispatchers: Dispatcher[] = [];
    let kinds = 0;

    beforeAll(async () => {
      harness = await open();
      ledger = harness.ledger;
    });
    afterEach(async () => {
      await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop({ graceMs: 1000 })));
      dispatchers = [];
    });
    afterAll(async () => harness.close());

    const newKind = (): string => `contract.${(kinds += 1)}`;

    async function start(
      handlers: Record<string, JobHandler>,
      options?: DispatcherOptions,
    ): Promise<Dispatcher> {
      const dispatcher = harness.createDispatcher();
      dispatchers.push(dispatcher);
      await dispatcher.start(handlers, options);
      return dispatcher;
    }

    async function enqueue(kind: string, key: string, more: Partial<JobRequest> = {}): Promise<string> {
      const [id] = await ledger.enqueue([{ kind, key, payload: {}, ...more }]);
      return id as string;
    }

    async function finished(id: string): Promise<Job> {
      return until(async () => {
        const job = await ledger.get(id);
        return job !== null && job.finishedAt !== null ? job : null;
      });
    }

    describe('when work is queued', () => {
      it('runs it with its payload, at once and not at the next poll', async () => {
        const kind = newKind();
        const seen: unknown[] = [];
        await start({ [kind]: async (payload) => void seen.push(payload) });
        const id = await enqueue(kind, 'a', { payload: { digest: 'sha256:x', list: [1, null] } });
        const job = await finished(id);
        expect(seen).toEqual([{ digest: 'sha256:x', list: [1, null] }]);
        expect(job).toMatchObject({ state: 'succeeded', attempts: 1, error: null });
        expect((job.finishedAt?.getTime() ?? 0) - job.createdAt.getTime()).toBeLessThan(2000);
      });

      it('runs what was queued before the start, oldest first', async () => {
        const kind = newKind();
        const order: string[] = [];
        for (const key of ['c', 'a', 'd', 'b']) await enqueue(kind, key, { payload: key });
        await start({ [kind]: async (payload) => void order.push(String(payload)) });
        await until(async () => order.length === 4);
        expect(order).toEqual(['c', 'a', 'd', 'b']);
      });

      it('does not start a job before its delay', async () => {
        const kind = newKind();
        await start({ [kind]: async () => undefined });
        const job = await finished(await enqueue(kind, 'a', { delaySeconds: 0.4 }));
        expect((job.finishedAt?.getTime() ?? 0) - job.createdAt.getTime()).toBeGreaterThanOrEqual(400);
      });

      it('leaves kinds without a handler queued', async () => {
        const [known, unknown] = [newKind(), newKind()];
        const left = await enqueue(unknown, 'a');
        await start({ [known]: async () => undefined });
        await finished(await enqueue(known, 'a'));
        expect(await ledger.get(left)).toMatchObject({ state: 'queued', attempts: 0 });
      });

      it('returns the ids in the order of the requests and writes all or none', async () => {
        const kind = newKind();
        const ids = await ledger.enqueue(['b', 'a', 'c'].map((key) => ({ kind, key, payload: key })));
        const keys = await Promise.all(ids.map(async (id) => (await ledger.get(id))?.key));
        expect(keys).toEqual(['b', 'a', 'c']);
        const bad = { kind, key: 'bad', payload: {}, delaySeconds: Number.NaN };
        await expect(ledger.enqueue([{ kind, key: 'd', payload: {} }, bad])).rejects.toThrow();
        expect((await ledger.list({ kind }, { limit: 10 })).items).toHaveLength(3);
      });
    });

    describe('when a job of the same kind and key is queued (dedupe)', () => {
      it('makes no second one, and the newer payload counts', async () => {
        const kind = newKind();
        const first = await enqueue(kind, 'a', { payload: 'old' });
        const second = await enqueue(kind, 'a', { payload: 'new' });
        const seen: unknown[] = [];
        await start({ [kind]: async (payload) => void seen.push(payload) });
        await finished(first);
        expect(second).toBe(first);
        expect(seen).toEqual(['new']);
      });

      it('brings a delayed job forward', async () => {
        const kind = newKind();
        await start({ [kind]: async () => undefined });
        const id = await enqueue(kind, 'a', { delaySeconds: 3600 });
        await enqueue(kind, 'a');
        expect(await finished(id)).toMatchObject({ state: 'succeeded' });
      });

      it('asked twice in one call, makes one', async () => {
        const kind = newKind();
        const request = { kind, key: 'a', payload: {} };
        const [first, second] = await ledger.enqueue([request, request]);
        expect(first).toBe(second);
      });
    });

    describe('when a job of the same kind and key runs (serialisation)', () => {
      it('queues another, which starts only after the first has ended, with any number of workers', async () => {
        const kind = newKind();
        let running = 0;
        let most = 0;
        let runs = 0;
        const handler: JobHandler = async () => {
          most = Math.max(most, (running += 1));
          await sleep(30);
          running -= 1;
          runs += 1;
        };
        await start({ [kind]: handler }, { defaultConcurrency: 4 });
        await start({ [kind]: handler }, { defaultConcurrency: 4 });
        for (let round = 0; round < 8; round += 1) {
          await enqueue(kind, 'same');
          await sleep(15);
        }
        await until(
          async () =>
            (await ledger.list({ kind, states: ['queued', 'running'] }, { limit: 1 })).items.length === 0,
        );
        expect(most).toBe(1);
        expect(runs).toBeGreaterThan(1);
      });

      it('lets other keys run meanwhile, up to the concurrency of the kind', async () => {
        const kind = newKind();
        const gate = Promise.withResolvers<void>();
        let running = 0;
        await start(
          {
            [kind]: async () => {
              running += 1;
              await gate.promise;
            },
          },
          { concurrency: { [kind]: 3 } },
        );
        for (const key of 'abcde') await enqueue(kind, key);
        await until(async () => running === 3);
        await sleep(100);
        expect(running).toBe(3);
        gate.resolve();
        await until(async () => running === 5);
      });
    });

    describe('when a handler throws', () => {
      it('tries again with growing delays until it succeeds', async () => {
        const kind = newKind();
        const times: number[] = [];
        const attempts: number[] = [];
        await start({
          [kind]: async (_payload, { attempt }) => {
            times.push(performance.now());
            attempts.push(attempt);
            if (attempt < 4) throw new Error(`no luck at ${attempt}`);
          },
        });
        const job = await finished(await enqueue(kind, 'a'));
        expect(attempts).toEqual([1, 2, 3, 4]);
        expect(job).toMatchObject({ state: 'succeeded', attempts: 4, error: null });
        const [first = 0, second = 0, third = 0, fourth = 0] = times;
        expect(fourth - third).toBeGreaterThan(second - first);
      });

      it('fails for good after the last attempt and keeps the reason', async () => {
        const kind = newKind();
        await start({
          [kind]: async () => {
            throw new TypeError('the disk is full');
          },
        });
        const job = await finished(await enqueue(kind, 'a', { maxAttempts: 3 }));
        expect(job).toMatchObject({ state: 'failed', attempts: 3 });
        expect(job.error).toContain('the disk is full');
      });

      it('does not try again after a PermanentJobError', async () => {
        const kind = newKind();
        await start({
          [kind]: async () => {
            throw new PermanentJobError('no such manifest');
          },
        });
        const job = await finished(await enqueue(kind, 'a'));
        expect(job).toMatchObject({ state: 'failed', attempts: 1 });
        expect(job.error).toContain('no such manifest');
      });

      it.each<[string, unknown]>([
        ['undefined', undefined],
        [
          'an object that cannot be shown',
          {
            toString: () => {
              throw new Error('gotcha');
            },
          },
        ],
        ['a text that the database cannot store', new Error('a\u0000b')],
        ['a text of a megabyte', new Error('x'.repeat(1_000_000))],
      ])('survives %s and runs the next job', async (_name, poison) => {
        const kind = newKind();
        await start({
          [kind]: (payload) => {
            if (payload === 'poison') throw poison;
            return Promise.resolve();
          },
        });
        const bad = await enqueue(kind, 'bad', { payload: 'poison', maxAttempts: 1 });
        const good = await enqueue(kind, 'good');
        expect(await finished(bad)).toMatchObject({ state: 'failed' });
        expect(await finished(good)).toMatchObject({ state: 'succeeded' });
      });

      it('gives way to a job of the same key that was queued meanwhile', async () => {
        const kind = newKind();
        const started = Promise.withResolvers<void>();
        const fail = Promise.withResolvers<void>();
        const seen: unknown[] = [];
        await start({
          [kind]: async (payload) => {
            seen.push(payload);
            if (payload !== 'old') return;
            started.resolve();
            await fail.promise;
            throw new Error('too old');
          },
        });
        const old = await enqueue(kind, 'a', { payload: 'old' });
        await started.promise;
        const fresh = await enqueue(kind, 'a', { payload: 'fresh' });
        fail.resolve();
        expect(fresh).not.toBe(old);
        expect(await finished(fresh)).toMatchObject({ state: 'succeeded' });
        expect((await finished(old)).error).toContain('too old');
        expect(seen).toEqual(['old', 'fresh']);
      });
    });

    describe('when a handler reports progress', () => {
      it('shows done, total and unit while it runs, and the last value afterwards', async () => {
        const kind = newKind();
        const gate = Promise.withResolvers<void>();
        await start({
          [kind]: async (_payload, { progress }) => {
            progress(1, null, 'layers');
            progress(2, 5, 'layers');
            await gate.promise;
            progress(5, 5, 'layers');
          },
        });
        const id = await enqueue(kind, 'a');
        const half = await until(async () => (await ledger.get(id))?.progress ?? null);
        expect(half).toEqual({ done: 2, total: 5, unit: 'layers' });
        gate.resolve();
        expect((await finished(id)).progress).toEqual({ done: 5, total: 5, unit: 'layers' });
      });
    });

    describe('when a job is cancelled', () => {
      it('never starts a queued one', async () => {
        const kind = newKind();
        const id = await enqueue(kind, 'a', { delaySeconds: 0.2 });
        expect(await ledger.requestCancellation(id)).toMatchObject({ state: 'cancelled' });
        let runs = 0;
        await start({ [kind]: async () => void (runs += 1) });
        await sleep(400);
        expect(runs).toBe(0);
      });

      it('aborts the signal of a running one, and the job ends cancelled without another attempt', async () => {
        const kind = newKind();
        let attempts = 0;
        await start({
          [kind]: async (_payload, { signal }) => {
            attempts += 1;
            await sleep(20_000, undefined, { signal });
          },
        });
        const id = await enqueue(kind, 'a');
        await until(async () => attempts === 1);
        expect(await ledger.requestCancellation(id)).toMatchObject({ cancelRequested: true });
        expect(await finished(id)).toMatchObject({ state: 'cancelled', attempts: 1 });
      });

      it('leaves a finished one as it is, and answers null for one that never was', async () => {
        const kind = newKind();
        await start({ [kind]: async () => undefined });
        const job = await finished(await enqueue(kind, 'a'));
        expect(await ledger.requestCancellation(job.id)).toMatchObject({
          state: 'succeeded',
          cancelRequested: false,
        });
        expect(await ledger.requestCancellation('00000000-0000-7000-8000-000000000000')).toBeNull();
      });
    });

    describe('when a worker dies', () => {
      it('gives its job to another after the lease, and counts the attempt', async () => {
        const kind = newKind();
        const id = await enqueue(kind, 'a');
        await harness.strand(id);
        const attempts: number[] = [];
        await start({ [kind]: async (_payload, { attempt }) => void attempts.push(attempt) });
        expect(await finished(id)).toMatchObject({ state: 'succeeded', attempts: 2 });
        expect(attempts).toEqual([2]);
      });

      it('does not try for ever: a job that kills its workers fails after its attempts', async () => {
        const kind = newKind();
        const id = await enqueue(kind, 'a', { maxAttempts: 1 });
        await harness.strand(id);
        let runs = 0;
        await start({ [kind]: async () => void (runs += 1) });
        expect(await finished(id)).toMatchObject({ state: 'failed', attempts: 1 });
        expect(runs).toBe(0);
      });

      it('keeps a job that runs longer than the lease with the worker that is alive', async () => {
        const kind = newKind();
        let runs = 0;
        const handler: JobHandler = async () => {
          runs += 1;
          await sleep(2500);
        };
        await start({ [kind]: handler });
        await start({ [kind]: handler });
        expect(await finished(await enqueue(kind, 'a'))).toMatchObject({ state: 'succeeded', attempts: 1 });
        expect(runs).toBe(1);
      });
    });

    describe('when it stops', () => {
      it('waits for what runs and starts nothing new (drain)', async () => {
        const kind = newKind();
        let started = 0;
        const dispatcher = await start({
          [kind]: async () => {
            started += 1;
            await sleep(300);
          },
        });
        const first = await enqueue(kind, 'a');
        await until(async () => started === 1);
        const second = await enqueue(kind, 'b');
        await dispatcher.stop();
        expect(await ledger.get(first)).toMatchObject({ state: 'succeeded' });
        expect(await ledger.get(second)).toMatchObject({ state: 'queued', attempts: 0 });
      });

      it('gives back what does not end in the grace period, without counting the attempt', async () => {
        const kind = newKind();
        let started = false;
        const dispatcher = await start({
          [kind]: async (_payload, { signal }) => {
            started = true;
            await sleep(20_000, undefined, { signal });
          },
        });
        const id = await enqueue(kind, 'a');
        await until(async () => started);
        await dispatcher.stop({ graceMs: 50 });
        expect(await ledger.get(id)).toMatchObject({ state: 'queued', attempts: 0 });
      });
    });

    describe('when jobs are listed', () => {
      it('pages newest first, by kind, key and state', async () => {
        const kind = newKind();
        const ids: string[] = [];
        for (const key of 'abcde') ids.push(await enqueue(kind, key));
        const first = await ledger.list({ kind }, { limit: 3 });
        const second = await ledger.list({ kind }, { limit: 3, after: first.next });
        expect(second.next).toBeNull();
        expect(new Set([...first.items, ...second.items].map((job) => job.id))).toEqual(new Set(ids));
        expect(first.items).toHaveLength(3);
        expect((await ledger.list({ kind, key: 'b' }, { limit: 3 })).items.map((job) => job.key)).toEqual([
          'b',
        ]);
        expect((await ledger.list({ kind, states: ['failed'] }, { limit: 3 })).items).toEqual([]);
      });
    });
  });
}

/** Asks until there is an answer; the timeout of the test is the limit. */
async function until<Value>(ask: () => Promise<Value | null | false>): Promise<Value> {
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    await sleep(10);
  }
}
