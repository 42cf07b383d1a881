import { createHash } from 'node:crypto';
import { type AuditEvent, AuditLog, newId, type OutboxEvent } from '@sluice/database';
import {
  PostgresEvidenceStore,
  PostgresJobLedger,
  PostgresJobQueue,
  PostgresManifestWrites,
  PostgresNodeStore,
  PostgresOutbox,
  PostgresPolicyStore,
  PostgresTrustedKeyStore,
  PostgresVerdictStore,
  queryRows,
} from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { parseNodePath } from '@sluice/domain/access';
import { classify, type Digest, parseManifest, parseRepositoryName } from '@sluice/domain/oci';
import type { JobRequest } from '@sluice/jobs';
import type { Finding, ScanEvidence, SignatureEvidence } from '@sluice/domain/policy';
import { Policies, type PolicyAuthor } from '../policies.ts';
import { VerdictEvents } from '../verdict-events.ts';
import { verdictJobs } from '../verdict-jobs.ts';
import { Verdicts } from '../verdicts.ts';

export const ADMIN: PolicyAuthor = {
  actor: 'admin',
  tokenId: null,
  clientAddress: null,
  requestId: null,
  principalId: null,
};

export const CRITICAL: Finding = {
  advisory: 'GHSA-1',
  aliases: ['CVE-2024-1'],
  package: { purl: 'pkg:npm/left@1.0.0', ecosystem: 'npm', name: 'left', version: '1.0.0' },
  severity: 'critical',
  score: 9.8,
  fixedVersion: '1.0.1',
  layer: null,
  path: 'package.json',
};

export interface Pushed {
  /** Row of `manifest`. */
  readonly id: string;
  readonly digest: Digest;
  readonly repository: string;
}

class RecordingAuditLog extends AuditLog {
  readonly events: AuditEvent[] = [];

  async record(event: AuditEvent): Promise<void> {
    this.events.push(event);
  }
}

/** The gate on a database of its own, with everything real but the scanner and the verifier, whose evidence tests write. */
export class World implements AsyncDisposable {
  readonly database: TestDatabase;
  readonly audit = new RecordingAuditLog();
  readonly ledger: PostgresJobLedger;
  readonly queue: PostgresJobQueue;
  readonly outbox: PostgresOutbox;
  readonly evidence: PostgresEvidenceStore;
  readonly keys: PostgresTrustedKeyStore;
  readonly policies: Policies;
  readonly verdicts: Verdicts;
  readonly verdictStore: PostgresVerdictStore;
  readonly events: VerdictEvents;
  readonly manifests: PostgresManifestWrites;
  readonly #nodes: PostgresNodeStore;

  private constructor(database: TestDatabase) {
    this.database = database;
    const { source } = database;
    this.ledger = new PostgresJobLedger(source);
    this.queue = new PostgresJobQueue(source);
    this.outbox = new PostgresOutbox(source);
    this.evidence = new PostgresEvidenceStore(source);
    this.keys = new PostgresTrustedKeyStore(source);
    this.policies = new Policies(new PostgresPolicyStore(source), this.audit);
    this.verdictStore = new PostgresVerdictStore(source);
    this.verdicts = new Verdicts(this.verdictStore, this.ledger);
    this.events = new VerdictEvents(this.verdictStore);
    this.manifests = new PostgresManifestWrites(source);
    this.#nodes = new PostgresNodeStore(source);
  }

  static async create(): Promise<World> {
    return new World(await createTestDatabase());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.close();
  }

  /** Creates a group or project and returns its id. */
  async node(kind: 'group' | 'project', path: string): Promise<string> {
    const created = await this.#nodes.create({ kind, path: parseNodePath(path), visibility: 'private' });
    return created.at(-1)?.id ?? '';
  }

  /** A different image for every name. */
  async pushImage(repository: string, name: string): Promise<Pushed> {
    const config = {
      ...(await this.#blob(repository, `config of ${name}`)),
      mediaType: 'application/vnd.oci.image.config.v1+json',
    };
    return this.push(repository, 'application/vnd.oci.image.manifest.v1+json', { config, layers: [] });
  }

  /** The digest that {@link pushImage} will give the image. */
  imageDigest(name: string): Digest {
    const config = {
      ...blobOf(`config of ${name}`),
      mediaType: 'application/vnd.oci.image.config.v1+json',
    };
    return digestOf(manifestBytes('application/vnd.oci.image.manifest.v1+json', { config, layers: [] }));
  }

  pushIndex(repository: string, children: readonly Digest[], name = ''): Promise<Pushed> {
    return this.push(repository, 'application/vnd.oci.image.index.v1+json', {
      annotations: { name },
      manifests: children.map((digest) => ({
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest,
        size: 100,
        platform: { os: 'linux', architecture: 'amd64' },
      })),
    });
  }

  async push(repository: string, mediaType: string, body: object): Promise<Pushed> {
    const content = manifestBytes(mediaType, body);
    const manifest = parseManifest(content, mediaType);
    const digest = digestOf(content);
    const { manifestId: id } = await this.manifests.put({
      repository: parseRepositoryName(repository),
      digest,
      content,
      manifest,
      kind: classify(manifest),
      tags: [],
      pushedBy: null,
      provenance: null,
      leaseSeconds: 60,
    });
    return { id, digest, repository };
  }

  async #blob(repository: string, content: string): Promise<{ digest: Digest; size: number }> {
    const blob = blobOf(content);
    const [project] = await queryRows<{ id: string }>(
      this.database.source,
      `SELECT id FROM node WHERE kind = 'project' AND starts_with($1, path) ORDER BY length(path) DESC LIMIT 1`,
      [repository],
    );
    await this.database.source.query(
      `INSERT INTO repository (id, project_id, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
      [newId(), project?.id, repository],
    );
    await this.database.source.query(
      `INSERT INTO blob (id, digest, size, object_key) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [newId(), blob.digest, blob.size, `${blob.digest}/${newId()}`],
    );
    await this.database.source.query(
      `INSERT INTO repository_blob (repository_id, blob_id)
       SELECT r.id, b.id FROM repository r, blob b WHERE r.name = $1 AND b.digest = $2 ON CONFLICT DO NOTHING`,
      [repository, blob.digest],
    );
    return blob;
  }

  async repositoryId(name: string): Promise<string> {
    const [row] = await queryRows<{ id: string }>(
      this.database.source,
      'SELECT id FROM repository WHERE name = $1',
      [name],
    );
    return row?.id ?? '';
  }

  async scanned(digest: Digest, more: Partial<ScanEvidence> = {}): Promise<void> {
    const payload: ScanEvidence = {
      kind: 'scan',
      state: more.findings?.length ? 'findings' : 'ok',
      reasons: [],
      packages: 3,
      findings: [],
      engine: 'test/1',
      advisoryRevision: 1,
      scannedAt: '2026-11-21T10:00:00Z',
      ...more,
    };
    await this.evidence.replace({ digest, repositoryId: null, kind: 'scan' }, 'test/1', [
      { key: '', payload },
    ]);
  }

  /** Makes these keys the signers of a digest in a repository; none removes all signatures. */
  async signed(repository: string, digest: Digest, keyIds: readonly string[]): Promise<void> {
    const subject = { digest, repositoryId: await this.repositoryId(repository), kind: 'signature' } as const;
    const items = keyIds.map((keyId) => {
      const payload: SignatureEvidence = {
        kind: 'signature',
        format: 'cosign-legacy',
        source: digest,
        signedDigest: digest,
        verified: true,
        trustedKeys: [keyId],
        predicateType: null,
        reason: null,
        checkedAt: '2026-11-21T10:00:00Z',
      };
      return { key: keyId, payload };
    });
    await this.evidence.replace(subject, 'test/1', items);
  }

  async trust(nodeId: string, name: string): Promise<string> {
    const keyId = createHash('sha256').update(`${nodeId}/${name}`).digest('hex');
    const added = await this.keys.add(
      { nodeId, name, algorithm: 'ed25519', pem: '-', keyId, createdBy: 'test' },
      50,
    );
    return added.id;
  }

  apply(
    nodeId: string | null,
    name: string,
    rules: readonly object[],
    mode = 'enforce',
  ): ReturnType<Policies['apply']> {
    const text = JSON.stringify({
      apiVersion: 'sluice.dev/v1',
      kind: 'Policy',
      metadata: { name },
      spec: { mode, rules },
    });
    return this.policies.apply(ADMIN, { nodeId, text });
  }

  /** What a push causes elsewhere, when `queuesWork` is set: jobs of the scanner and the verifier, which nobody runs. */
  queuesWork = false;

  async jobsFor(event: OutboxEvent): Promise<JobRequest[]> {
    const requests = await this.events.jobsFor(event);
    if (!this.queuesWork || event.type !== 'artifact.pushed') return requests;
    const { digest, repositoryId } = event.payload;
    return [
      ...requests,
      { kind: 'scan.artifact', key: digest, payload: {} },
      { kind: 'signature.verify', key: `${repositoryId}/${digest}`, payload: {} },
    ];
  }

  /** Relays every event and runs every job of the gate, those that could still wait included, until nothing is left to do. */
  async settle(): Promise<void> {
    const worker = newId();
    const handlers = verdictJobs(this.verdicts);
    const slots = new Map(Object.keys(handlers).map((kind) => [kind, 50]));
    for (;;) {
      const { relayed, failed } = await this.outbox.relay(100, [], (event) => this.jobsFor(event));
      if (failed[0] !== undefined) throw failed[0].error;
      await this.database.source.query(`UPDATE job SET run_at = now() WHERE state = 'queued'`);
      const jobs = await this.queue.claim(worker, slots, 60);
      for (const { id, kind, payload, attempt } of jobs) {
        const context = {
          signal: new AbortController().signal,
          jobId: id,
          attempt,
          progress: () => undefined,
        };
        await handlers[kind]?.(payload, context);
        await this.queue.finish(worker, id, { kind: 'succeeded' });
      }
      if (relayed === 0 && jobs.length === 0) return;
    }
  }

  async state(pushed: Pushed): Promise<string> {
    return (await this.verdictStore.read(pushed.id))?.stored.state ?? 'gone';
  }

  async summary(pushed: Pushed): Promise<string | null> {
    return (await this.verdictStore.read(pushed.id))?.stored.summary ?? null;
  }

  /** Stored verdicts that a fresh judgement contradicts, in words. */
  async differences(): Promise<string[]> {
    const lines: string[] = [];
    for await (const { repository, digest, stored, fresh } of this.verdicts.auditVerdicts()) {
      lines.push(
        `${repository}@${digest}: stored ${stored.state} ${stored.summary}, fresh ${fresh.state} ${fresh.summary}`,
      );
    }
    return lines;
  }
}

function blobOf(content: string): { digest: Digest; size: number } {
  return { digest: digestOf(Buffer.from(content)), size: Buffer.byteLength(content) };
}

function manifestBytes(mediaType: string, body: object): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...body }));
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}
