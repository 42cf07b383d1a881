import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresNotifications, queryRows } from '@sluice/database/postgres';
import { DEFAULT_POLICY } from '@sluice/domain/policy';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN, CRITICAL, World } from './testing/world.ts';

const SIGNED = { name: 'signed', kind: 'signature' };
const SCANNED = { name: 'scanned', kind: 'scan' };
const NO_CRITICAL = { name: 'no-critical', kind: 'vulnerabilities', severities: ['critical'] };
let images = 0;
const newImage = (): string => `image ${(images += 1)}`;

describe('a stored verdict', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.create();
    await world.node('project', 'team/app');
    await world.policies.ensureDefault();
    await world.settle();
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const scanJob = (digest: string) => ({ kind: 'scan.artifact', key: digest, payload: {} });

  it('is pending while the scan is under way, and then what the scan brought', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    expect(await world.state(image)).toBe('pending');
    await world.ledger.enqueue([scanJob(image.digest)]);
    await world.settle();
    expect(await world.state(image)).toBe('pending');
    expect(await world.summary(image)).toContain('the scan has not finished yet');
    await world.scanned(image.digest);
    await world.settle();
    expect(await world.state(image)).toBe('green');
    await world.scanned(image.digest, { findings: [CRITICAL] });
    await world.settle();
    expect(await world.state(image)).toBe('red');
    expect(await world.summary(image)).toContain('CVE-2024-1 in left 1.0.0 (fixed in 1.0.1)');
  });

  it('is pending between a push and the queueing of its work', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    expect(await world.verdicts.evaluateArtifact(image.id)).toMatchObject({ state: 'pending' });
    await world.settle();
    expect(await world.state(image)).toBe('red');
  });

  it('waits for what the scan brings, and is worked out once; whoever reads it before has it judged', async () => {
    const relay = () => world.outbox.relay(100, [], (event) => world.events.jobsFor(event));
    const image = await world.pushImage('team/app/web', newImage());
    await relay();
    const filter = { kind: 'verdict.evaluate', key: image.id, states: ['queued'] } as const;
    const queued = async () => (await world.ledger.list(filter, { limit: 9 })).items;
    const [waiting] = await queued();
    expect((waiting?.runAt.getTime() ?? 0) - Date.now()).toBeGreaterThan(1_000);
    const [row] = await queryRows<{ name: string; stale: boolean }>(
      world.database.source,
      `SELECT r.name, v.rules_revision <> r.rules_revision AS stale FROM verdict v
       JOIN manifest m ON m.id = v.manifest_id JOIN repository r ON r.id = m.repository_id WHERE m.id = $1`,
      [image.id],
    );
    expect(row, 'a reader finds it out of date').toEqual({ name: 'team/app/web', stale: true });
    await world.scanned(image.digest);
    await relay();
    const [due, ...more] = await queued();
    expect(more).toEqual([]);
    expect(due?.id).toBe(waiting?.id);
    expect(due?.runAt.getTime()).toBeLessThanOrEqual(Date.now() + 50);
  });

  it.each(['failed', 'cancelled', 'succeeded'])(
    'is red when the scan %s and left no evidence',
    async (end) => {
      const image = await world.pushImage('team/app/web', newImage());
      const [job] = await world.ledger.enqueue([scanJob(image.digest)]);
      await world.settle();
      expect(await world.state(image)).toBe('pending');
      const worker = '00000000-0000-7000-8000-000000000000';
      if (end === 'cancelled') await world.ledger.requestCancellation(job ?? '');
      else {
        await world.queue.claim(worker, new Map([['scan.artifact', 9]]), 60);
        await world.settle();
        expect(await world.state(image)).toBe('pending');
        await world.queue.finish(
          worker,
          job ?? '',
          end === 'failed' ? { kind: 'failed', error: 'x' } : { kind: 'succeeded' },
        );
      }
      await world.settle();
      expect(await world.state(image)).toBe('red');
      expect(await world.summary(image)).toContain('it was never scanned');
    },
  );

  it('holds for the digest wherever it lies: one scan judges every repository', async () => {
    const name = newImage();
    const [first, second] = [
      await world.pushImage('team/app/a', name),
      await world.pushImage('team/app/b', name),
    ];
    await world.scanned(first.digest);
    await world.settle();
    expect([await world.state(first), await world.state(second)]).toEqual(['green', 'green']);
  });

  it('keeps its id, is written only when it changed, and tells it once', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    await world.scanned(image.digest);
    await world.settle();
    const before = await world.verdictStore.read(image.id);
    const told = () =>
      queryRows(
        world.database.source,
        `SELECT seq FROM outbox WHERE type = 'verdict.changed' AND payload ->> 'digest' = $1`,
        [image.digest],
      );
    const count = (await told()).length;
    await world.verdicts.evaluateArtifact(image.id);
    const after = await world.verdictStore.read(image.id);
    expect(after?.stored).toEqual(before?.stored);
    expect(await told()).toHaveLength(count);
  });

  it('wakes the pulls that wait for it, by the row of the manifest', async () => {
    const notifications = new PostgresNotifications({ url: world.database.url });
    const heard: (string | null)[] = [];
    await notifications.subscribe('sluice_verdict', (payload) => heard.push(payload));
    const image = await world.pushImage('team/app/web', newImage());
    await world.scanned(image.digest);
    await world.settle();
    await expect.poll(() => heard).toContain(image.id);
    await notifications.close();
  });

  it('is nothing for an artifact that is gone', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    await world.manifests.deleteManifest('team/app/web' as never, image.digest);
    await world.settle();
    expect(await world.verdicts.evaluateArtifact(image.id)).toBeNull();
    expect(await world.verdicts.explain(image.id)).toBeNull();
  });

  it('is never one that was judged before the evidence changed, however judgements overlap', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    await world.scanned(image.digest);
    const holder = world.database.source.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT FROM verdict WHERE manifest_id = $1 FOR UPDATE', [image.id]);
    const waiting = [world.verdicts.evaluateArtifact(image.id), world.verdicts.evaluateArtifact(image.id)];
    await sleep(100);
    await world.scanned(image.digest, { findings: [CRITICAL] });
    await holder.commitTransaction();
    await holder.release();
    await Promise.all(waiting);
    expect(await world.state(image)).toBe('red');
  });

  it('does not stay pending when the work ends while the judgement that waits for it is being stored', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    const [job] = await world.ledger.enqueue([scanJob(image.digest)]);
    await world.settle();
    const stored = await world.verdictStore.read(image.id);
    await world.database.source.query(`UPDATE verdict SET results = '[]' WHERE manifest_id = $1`, [image.id]);
    const judging = world.database.source.createQueryRunner();
    await judging.startTransaction();
    await judging.query('UPDATE verdict SET results = $2 WHERE manifest_id = $1', [
      image.id,
      JSON.stringify(stored?.stored.results),
    ]);
    await world.ledger.requestCancellation(job ?? '');
    const settled = world.settle();
    await sleep(100);
    await judging.commitTransaction();
    await judging.release();
    await settled;
    expect(await world.state(image)).toBe('red');
  });

  it('explains itself: every rule with what was expected and found, and whether it is current', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    await world.scanned(image.digest, { findings: [CRITICAL] });
    expect(await world.verdicts.explain(image.id)).toMatchObject({ isCurrent: false });
    await world.settle();
    expect(await world.verdicts.explain(image.id)).toMatchObject({
      isCurrent: true,
      stored: {
        state: 'red',
        results: [
          {
            scope: 'installation',
            policy: 'default',
            policyVersion: 1,
            rule: 'no-fixable-critical',
            outcome: 'fail',
            remedy: 'a developer of team/app/web: update left to 1.0.1, build again and push',
          },
          { rule: 'scanned', outcome: 'pass' },
        ],
      },
    });
  });

  it('refuses when what is stored cannot be read', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    await world.scanned(image.digest);
    await world.database.source.query(
      `UPDATE evidence SET payload = '{"kind": "scan", "state": "ok"}' WHERE digest = $1`,
      [image.digest],
    );
    expect(await world.verdicts.evaluateArtifact(image.id)).toMatchObject({ state: 'red' });
    await world.database.source.query(`UPDATE policy SET document = '{"spec": 1}'`);
    expect(await world.verdicts.evaluateArtifact(image.id)).toMatchObject({
      state: 'red',
      summary: expect.stringContaining('cannot be read') as string,
    });
    await world.database.source.query(`UPDATE policy SET document = $1`, [JSON.stringify(DEFAULT_POLICY)]);
  });
});

describe('the verdict of an index', () => {
  let world: World;
  let team: string;
  beforeAll(async () => {
    world = await World.create();
    await world.node('project', 'team/app');
    const [group] = await queryRows<{ id: string }>(
      world.database.source,
      `SELECT id FROM node WHERE path = 'team'`,
    );
    team = group?.id ?? '';
    await world.apply(team, 'scan', [SCANNED, NO_CRITICAL]);
    await world.settle();
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  it('follows its children, also through another index', async () => {
    const image = await world.pushImage('team/app/web', newImage());
    const inner = await world.pushIndex('team/app/web', [image.digest]);
    const outer = await world.pushIndex('team/app/web', [inner.digest]);
    const states = async () => [await world.state(image), await world.state(inner), await world.state(outer)];
    await world.settle();
    expect(await states()).toEqual(['red', 'red', 'red']);
    await world.scanned(image.digest);
    await world.settle();
    expect(await states()).toEqual(['green', 'green', 'green']);
    await world.scanned(image.digest, { findings: [CRITICAL] });
    await world.settle();
    expect(await states()).toEqual(['red', 'red', 'red']);
    expect(await world.summary(outer)).toContain('CVE-2024-1');
  });

  it('is red until a child that it names has arrived, and then follows it', async () => {
    const name = newImage();
    const index = await world.pushIndex('team/app/web', [world.imageDigest(name)]);
    await world.settle();
    expect(await world.state(index)).toBe('red');
    expect(await world.summary(index)).toContain('is not in the repository');
    const image = await world.pushImage('team/app/web', name);
    await world.scanned(image.digest);
    await world.settle();
    expect(await world.state(index)).toBe('green');
  });

  it('lends its signature to what it names, until it or the signature is gone', async () => {
    const key = await world.trust(team, 'release');
    await world.apply(team, 'signed', [SIGNED]);
    const image = await world.pushImage('team/app/signed', newImage());
    const inner = await world.pushIndex('team/app/signed', [image.digest]);
    const outer = await world.pushIndex('team/app/signed', [inner.digest]);
    await world.scanned(image.digest);
    await world.settle();
    expect(await world.state(image)).toBe('red');
    await world.signed('team/app/signed', outer.digest, [key]);
    await world.settle();
    expect([await world.state(image), await world.state(inner), await world.state(outer)]).toEqual([
      'green',
      'green',
      'green',
    ]);
    await world.signed('team/app/signed', outer.digest, []);
    await world.settle();
    expect(await world.state(image)).toBe('red');
    await world.signed('team/app/signed', outer.digest, [key]);
    await world.settle();
    await world.manifests.deleteManifest('team/app/signed' as never, outer.digest);
    await world.settle();
    expect([await world.state(image), await world.state(inner)]).toEqual(['red', 'red']);
  });

  it('covers children that were there before it, by a signature that was there before it', async () => {
    const [key] = await queryRows<{ id: string }>(world.database.source, 'SELECT id FROM trusted_key');
    const image = await world.pushImage('team/app/early', newImage());
    await world.scanned(image.digest);
    const index = await world.pushIndex('team/app/early', [image.digest], 'again');
    await world.manifests.deleteManifest('team/app/early' as never, index.digest);
    await world.signed('team/app/early', index.digest, [key?.id ?? '']);
    await world.settle();
    expect(await world.state(image)).toBe('red');
    await world.pushIndex('team/app/early', [image.digest], 'again');
    await world.settle();
    expect(await world.state(image)).toBe('green');
  });

  it('lends nothing to the same image in another repository', async () => {
    const [key] = await queryRows<{ id: string }>(world.database.source, 'SELECT id FROM trusted_key');
    const name = newImage();
    const here = await world.pushImage('team/app/here', name);
    const there = await world.pushImage('team/app/there', name);
    const index = await world.pushIndex('team/app/here', [here.digest]);
    await world.scanned(here.digest);
    await world.signed('team/app/here', index.digest, [key?.id ?? '']);
    await world.settle();
    expect([await world.state(here), await world.state(there)]).toEqual(['green', 'red']);
  });

  it('leaves no stored verdict that a fresh judgement contradicts', async () => {
    expect(await world.differences()).toEqual([]);
  });
});

describe('what touches verdicts', () => {
  let world: World;
  let team: string;
  let app: string;
  let other: string;
  beforeAll(async () => {
    world = await World.create();
    team = await world.node('group', 'team');
    app = await world.node('project', 'team/app');
    other = await world.node('project', 'other');
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  it('a policy of a group holds below it, of a project in it, of the installation everywhere; all must pass', async () => {
    const mine = await world.pushImage('team/app/web', newImage());
    const theirs = await world.pushImage('other/web', newImage());
    const states = async () => {
      await world.settle();
      return [await world.state(mine), await world.state(theirs)];
    };
    expect(await states()).toEqual(['green', 'green']);
    const ofTeam = await world.apply(team, 'scan', [SCANNED]);
    expect(await states()).toEqual(['red', 'green']);
    await world.apply(team, 'scan', [SCANNED], 'audit');
    expect(await states()).toEqual(['amber', 'green']);
    await world.apply(team, 'scan', [SCANNED], 'off');
    expect(await states()).toEqual(['green', 'green']);
    await world.apply(app, 'scan', [SCANNED]);
    expect(await states()).toEqual(['red', 'green']);
    const everywhere = await world.apply(null, 'scan', [{ ...SCANNED, onMissing: 'pending' }]);
    expect(await states()).toEqual(['red', 'pending']);
    const ofApp = (
      await world.policies.list({ scope: { kind: 'own', nodeId: app }, after: null, limit: 9 })
    )[0];
    for (const { id } of [ofTeam.policy, everywhere.policy]) await world.policies.delete(ADMIN, id);
    expect(await states()).toEqual(['red', 'green']);
    await world.policies.delete(ADMIN, ofApp?.id ?? '');
    expect(await states()).toEqual(['green', 'green']);
  });

  it('a key that is trusted no more ceases to count before any signature is checked again', async () => {
    const key = await world.trust(team, 'release');
    await world.apply(team, 'signed', [{ ...SIGNED, keys: ['release'] }]);
    const image = await world.pushImage('team/app/web', newImage());
    await world.signed('team/app/web', image.digest, [key]);
    await world.settle();
    expect(await world.state(image)).toBe('green');
    await world.keys.remove(key);
    await world.settle();
    expect(await world.state(image)).toBe('red');
  });

  it('a key of another node does not count, however it is called', async () => {
    const foreign = await world.trust(other, 'release');
    const image = await world.pushImage('team/app/web', newImage());
    await world.signed('team/app/web', image.digest, [foreign]);
    await world.settle();
    expect(await world.state(image)).toBe('red');
  });

  it('changed rules make a verdict stale in their own transaction; judged again it is none, whatever it says', async () => {
    const isStale = async (artifact: { readonly id: string }): Promise<boolean | undefined> => {
      const [row] = await queryRows<{ stale: boolean }>(
        world.database.source,
        `SELECT v.rules_revision <> r.rules_revision AS stale FROM verdict v JOIN manifest m ON m.id = v.manifest_id
         JOIN repository r ON r.id = m.repository_id WHERE m.id = $1`,
        [artifact.id],
      );
      return row?.stale;
    };
    const image = await world.pushImage('team/app/fresh', newImage());
    const index = await world.pushIndex('team/app/fresh', [image.digest]);
    const beside = await world.pushImage('other/fresh', newImage());
    await world.scanned(image.digest);
    await world.settle();
    const before = await world.state(index);
    const changes: (() => Promise<unknown>)[] = [
      () => world.apply(team, 'audited', [SIGNED], 'audit'),
      () => world.apply(team, 'audited', [SIGNED], 'off'),
      async () => world.keys.remove(await world.trust(team, 'passing')),
    ];
    for (const change of changes) {
      await change();
      expect([await isStale(image), await isStale(index), await isStale(beside)]).toEqual([
        true,
        true,
        false,
      ]);
      await world.verdicts.judgeNow(index.id);
      expect([await isStale(image), await isStale(index)]).toEqual([false, false]);
    }
    await world.apply(team, 'audited', [SIGNED], 'off');
    expect(await isStale(image), 'a document that is in force already changes nothing').toBe(false);
    await world.settle();
    expect(await world.state(index)).toBe(before);
  });

  it('a key of a project does not stand in for the key that its group has under that name', async () => {
    const [project] = await queryRows<{ id: string }>(
      world.database.source,
      `SELECT id FROM node WHERE path = 'team/app'`,
    );
    const groupKey = await world.trust(team, 'release');
    const ownKey = await world.trust(project?.id ?? '', 'release');
    const image = await world.pushImage('team/app/web', newImage());
    await world.signed('team/app/web', image.digest, [ownKey]);
    await world.settle();
    expect(await world.state(image)).toBe('red');
    await world.signed('team/app/web', image.digest, [groupKey]);
    await world.settle();
    expect(await world.state(image)).toBe('green');
    for (const key of [ownKey, groupKey]) await world.keys.remove(key);
    await world.settle();
  });

  it('the first advisory data ends the leniency of a new installation, for good', async () => {
    await world.policies.ensureDefault();
    const image = await world.pushImage('other/web', newImage());
    await world.scanned(image.digest, { state: 'no-data', advisoryRevision: null });
    await world.settle();
    expect(await world.state(image)).toBe('amber');
    expect(await world.summary(image)).toContain('sluice db import <file>');
    await world.database.source.query(
      `INSERT INTO outbox (id, type, subject, payload) VALUES (gen_random_uuid(), 'advisories.changed', 'x', '{"revision": 1}')`,
    );
    const [rematch] = await world.ledger.enqueue([
      { kind: 'advisories.rematch', key: 'installation', payload: {} },
    ]);
    await world.settle();
    expect(await world.state(image)).toBe('pending');
    await world.ledger.requestCancellation(rematch ?? '');
    await world.settle();
    expect(await world.state(image)).toBe('red');
  });

  it('leaves no stored verdict that a fresh judgement contradicts', async () => {
    expect(await world.differences()).toEqual([]);
  });
});
