/**
 * `npm run test:clients`: every client against every kind of artifact, on two registry replicas of which one is killed
 * on the way. Prints the table. `npm run test:clients -- crane,oras` runs these clients alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GitLabDouble } from '@sluice/testing';
import { BUSY_UPLOADS, countPushing, killAmongPushes } from './clients/large.ts';
import { Matrix } from './clients/matrix.ts';
import { warnInsteadOfRefusing } from './clients/policy.ts';
import { redirectDownloads } from './clients/redirect.ts';
import { createRunners } from './clients/runners.ts';
import { buildSamples } from './clients/samples.ts';
import { SecureReplica } from './clients/secure-replica.ts';
import { CLIENTS, type Client } from './clients/table.ts';
import { World } from './clients/world.ts';
import { Cluster } from './cluster.ts';
import { importAdvisories } from './fixtures.ts';
import { installTools } from './install.ts';

/** Clients at work at the same time, but for the kind that all push together. */
const LANES = 3;

const bin = await installTools();
const directory = mkdtempSync(join(tmpdir(), 'sluice-clients-advisories-'));
const gitlab = await GitLabDouble.start();
const cluster = await Cluster.start({ environment: { SLUICE_GITLAB_URL: gitlab.issuer } });
let secure: SecureReplica | undefined;
let world: World | undefined;
try {
  await importAdvisories({ url: cluster.url, directory });
  secure = await SecureReplica.start(cluster);
  world = await World.create(cluster, secure.place, gitlab, bin);
  const runners = await createRunners(world, await buildSamples(world), askedClients());
  const matrix = new Matrix(runners);
  try {
    await matrix.run('login', LANES);
    await matrix.run('gated', LANES);
    await matrix.run('secure', LANES);
    // A client or two that run alone may never meet at one replica.
    const victims = countPushing(runners) >= BUSY_UPLOADS ? cluster.registries.slice(0, 1) : [];
    const pushes = matrix.run('killed', runners.length);
    const kills = victims.map((victim) => killAmongPushes(victim, () => world?.noteKill()));
    await Promise.allSettled([pushes, ...kills]);
    await Promise.all(kills);
    await matrix.run('degraded', LANES);
    for (const victim of victims) await victim.launch();
    await redirectDownloads(world);
    await matrix.run('redirected', LANES);
    await warnInsteadOfRefusing(cluster);
    await matrix.run('lenient', LANES);
  } finally {
    for (const runner of runners) await runner.stop?.();
  }
  if (matrix.hasFailed) console.log(`${cluster.output}\n${secure.output}`);
  if (!matrix.print()) process.exitCode = 1;
} finally {
  await world?.remove();
  await secure?.stop();
  await cluster.remove();
  await gitlab.stop();
  rmSync(directory, { recursive: true, force: true });
}

function askedClients(): readonly Client[] {
  const asked = process.argv[2]?.split(',');
  if (asked === undefined) return CLIENTS;
  const unknown = asked.filter((name) => !CLIENTS.some((client) => client === name));
  if (unknown.length > 0) throw new Error(`no client ${unknown.join(', ')}; there are ${CLIENTS.join(', ')}`);
  return CLIENTS.filter((client) => asked.includes(client));
}
