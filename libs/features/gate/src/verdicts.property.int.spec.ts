import { PostgresNotifications } from '@sluice/database/postgres';
import type { Digest } from '@sluice/domain/oci';
import { type JobHandler, OutboxRelay } from '@sluice/jobs';
import { LocalDispatcher } from '@sluice/jobs/local';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN, CRITICAL, type Pushed, World } from './testing/world.ts';
import { verdictJobs } from './verdict-jobs.ts';

const REPOSITORIES = ['team/app/web', 'team/app/api', 'other/web'] as const;
const IMAGES = ['one', 'two', 'three'] as const;
const INDEXES = ['a', 'b'] as const;
const RULES = {
  scan: { name: 'scan', kind: 'scan' },
  lenient: { name: 'scan', kind: 'scan', onMissing: 'warn', noAdvisoryData: 'warn' },
  critical: { name: 'v', kind: 'vulnerabilities', severities: ['critical'] },
  signed: { name: 's', kind: 'signature' },
  release: { name: 's', kind: 'signature', keys: ['release'] },
} as const;

const repository = fc.constantFrom(...REPOSITORIES);
const image = fc.constantFrom(...IMAGES);
const index = fc.constantFrom(...INDEXES);
const node = fc.constantFrom('team', 'team/app', 'other', null);
const action = fc.oneof(
  fc.record({ do: fc.constant('push' as const), repository, image }),
  fc.record({
    do: fc.constant('pushIndex' as const),
    repository,
    index,
    images: fc.subarray([...IMAGES]),
    nested: fc.boolean(),
  }),
  fc.record({ do: fc.constant('delete' as const), repository, image }),
  fc.record({ do: fc.constant('deleteIndex' as const), repository, index }),
  fc.record({
    do: fc.constant('scan' as const),
    image,
    state: fc.constantFrom('ok', 'critical', 'partial', 'no-data', 'none'),
  }),
  fc.record({ do: fc.constant('endWork' as const), all: fc.boolean() }),
  fc.record({ do: fc.constant('sign' as const), repository, image, by: fc.subarray(['team', 'other']) }),
  fc.record({ do: fc.constant('signIndex' as const), repository, index, by: fc.subarray(['team', 'other']) }),
  fc.record({
    do: fc.constant('apply' as const),
    node,
    rules: fc.uniqueArray(fc.constantFrom(...Object.values(RULES)), {
      minLength: 1,
      selector: (rule) => rule.name,
    }),
    mode: fc.constantFrom('enforce', 'enforce', 'audit', 'off'),
  }),
  fc.record({ do: fc.constant('unapply' as const), node }),
  fc.record({ do: fc.constant('trust' as const), node: fc.constantFrom('team', 'other') }),
  fc.record({ do: fc.constant('distrust' as const), node: fc.constantFrom('team', 'other') }),
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

/** Does what an action says, in a world whose indexes and keys have names. */
class Player {
  readonly #world: World;
  readonly #nodes: ReadonlyMap<string, string>;
  readonly #indexes = new Map<string, Pushed>();
  readonly #keys = new Map<string, string>();

  constructor(world: World, nodes: ReadonlyMap<string, string>) {
    this.#world = world;
    this.#nodes = nodes;
  }

  async play(step: Action): Promise<void> {
    const world = this.#world;
    switch (step.do) {
      case 'push':
        await world.pushImage(step.repository, step.image);
        return;
      case 'pushIndex': {
        // Other children or another depth is another index; the name means the newest.
        const inner = this.#indexes.get(`${step.repository} ${step.index === 'a' ? 'b' : 'a'}`);
        const nested = step.nested && inner !== undefined ? [inner.digest] : [];
        const children = [...step.images.map((name) => world.imageDigest(name)), ...nested];
        this.#indexes.set(
          `${step.repository} ${step.index}`,
          await world.pushIndex(step.repository, children, step.index),
        );
        return;
      }
      case 'delete':
        return this.#delete(step.repository, world.imageDigest(step.image));
      case 'deleteIndex': {
        const pushed = this.#indexes.get(`${step.repository} ${step.index}`);
        if (pushed !== undefined) await this.#delete(step.repository, pushed.digest);
        return;
      }
      case 'scan':
        return this.#scan(world.imageDigest(step.image), step.state);
      case 'endWork':
        return this.endWork(step.all ? 500 : 1);
      case 'sign':
        return this.#sign(step.repository, world.imageDigest(step.image), step.by);
      case 'signIndex': {
        const pushed = this.#indexes.get(`${step.repository} ${step.index}`);
        if (pushed !== undefined) await this.#sign(step.repository, pushed.digest, step.by);
        return;
      }
      case 'apply':
        await world.apply(this.#nodeId(step.node), 'p', step.rules, step.mode);
        return;
      case 'unapply': {
        const scope = { kind: 'own', nodeId: this.#nodeId(step.node) } as const;
        for (const { id } of await world.policies.list({ scope, after: null, limit: 9 })) {
          await world.policies.delete(ADMIN, id).catch(() => undefined);
        }
        return;
      }
      case 'trust':
        if (!this.#keys.has(step.node))
          this.#keys.set(step.node, await world.trust(this.#nodeId(step.node) ?? '', 'release'));
        return;
      case 'distrust':
        await world.keys.remove(this.#keys.get(step.node) ?? '00000000-0000-7000-8000-000000000000');
        this.#keys.delete(step.node);
    }
  }

  /** Ends scans and verifications that are queued, as if they had found nothing to write down. */
  async endWork(limit = 500): Promise<void> {
    for (const kind of ['scan.artifact', 'signature.verify']) {
      const { items } = await this.#world.ledger.list({ kind, states: ['queued'] }, { limit });
      for (const { id } of items) await this.#world.ledger.requestCancellation(id);
    }
  }

  #nodeId(path: string | null): string | null {
    return path === null ? null : (this.#nodes.get(path) ?? null);
  }

  /** Refused while an index names it, which is part of the play. */
  async #delete(name: string, digest: Digest): Promise<void> {
    await this.#world.manifests.deleteManifest(name as never, digest).catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== 'UNSUPPORTED') throw error;
    });
  }

  async #scan(digest: Digest, state: string): Promise<void> {
    if (state === 'none') {
      await this.#world.evidence.replace({ digest, repositoryId: null, kind: 'scan' }, 'test/1', []);
      return;
    }
    if (state === 'critical') return this.#world.scanned(digest, { findings: [CRITICAL] });
    const advisoryRevision = state === 'no-data' ? null : 1;
    return this.#world.scanned(digest, { state: state as 'ok' | 'partial' | 'no-data', advisoryRevision });
  }

  async #sign(name: string, digest: Digest, by: readonly string[]): Promise<void> {
    if ((await this.#world.repositoryId(name)) === '') return;
    const keys = by.map((path) => this.#keys.get(path)).filter((key) => key !== undefined);
    await this.#world.signed(name, digest, keys);
  }
}

describe('stored verdicts after any history', () => {
  let world: World;
  let player: Player;
  beforeAll(async () => {
    world = await World.create();
    world.queuesWork = true;
    const nodes = new Map<string, string>();
    nodes.set('team', await world.node('group', 'team'));
    nodes.set('team/app', await world.node('project', 'team/app'));
    nodes.set('other', await world.node('project', 'other'));
    player = new Player(world, nodes);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  it('are what a fresh judgement says, whenever everything has settled', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(action, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        async (history) => {
          for (const steps of history) {
            for (const step of steps) await player.play(step);
            await world.settle();
            expect(await world.differences()).toEqual([]);
          }
          for (const id of await world.verdictStore.list({ kind: 'installation' }, null, 500)) {
            seen.add((await world.verdictStore.read(id))?.stored.state ?? '');
          }
        },
      ),
      { seed: 20261121, numRuns: 25, endOnFailure: true },
    );
    // The histories are worth something only if they lead everywhere.
    expect([...seen].toSorted()).toEqual(['amber', 'green', 'pending', 'red']);
  });

  it('are that as well when everything happens at once, with two workers', async () => {
    const notifications = new PostgresNotifications({ url: world.database.url });
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const relay = new OutboxRelay(world.outbox, notifications, [(event) => world.events.jobsFor(event)], {
      onError,
    });
    const workers = [1, 2].map(() => new LocalDispatcher(world.queue, notifications, { onError }));
    const handlers: Readonly<Record<string, JobHandler>> = verdictJobs(world.verdicts);
    await relay.start();
    await Promise.all(workers.map((worker) => worker.start(handlers, { defaultConcurrency: 2 })));
    const histories = fc.sample(fc.array(action, { minLength: 40, maxLength: 40 }), { seed: 7, numRuns: 3 });
    await Promise.all(
      histories.map(async (steps) => {
        for (const step of steps) await player.play(step).catch(ignoreRace);
      }),
    );
    await relay.stop();
    await Promise.all(workers.map((worker) => worker.stop()));
    await notifications.close();
    await player.endWork();
    await world.settle();
    expect(errors).toEqual([]);
    expect(await world.differences()).toEqual([]);
  });
});

/** Two players may add the same key or remove the same thing; the one who comes second is told so. */
function ignoreRace(error: unknown): void {
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || !/taken|exists|changed|unknown|UNKNOWN/.test(code)) throw error;
}
