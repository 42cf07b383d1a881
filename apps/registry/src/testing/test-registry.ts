import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyEncryptionKeys } from '@sluice/blob-storage';
import { EncryptedBlobStorage } from '@sluice/blob-storage/encrypted';
import { FsBlobStorage } from '@sluice/blob-storage/fs';
import { AuditLog, type Denial, DenialLog, type ReadCoherence, RegistryReads } from '@sluice/database';
import {
  PipelinedConnections,
  PostgresBlobLinks,
  PostgresCatalogStore,
  PostgresCiBindingStore,
  PostgresGrantStore,
  PostgresManifestWrites,
  PostgresNodeStore,
  PostgresNotifications,
  PostgresObjectKeyEnvelopes,
  PostgresReadCoherence,
  PostgresPrincipalStore,
  PostgresRegistryReads,
  PostgresSecretStore,
  PostgresSeenTokens,
  PostgresUploadSessions,
  PostgresVerdictSignals,
} from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { BlobService, ManifestService, PullGate, StatementCheck, UploadService } from '@sluice/distribution';
import { parseNodePath, type Role, type Visibility } from '@sluice/domain/access';
import type { VerdictState } from '@sluice/domain/policy';
import { JwksIssuerKeys } from '@sluice/gitlab-client/jwks';
import { createIdentity, type Identity, KeyFile, Passwords, SecretHasher } from '@sluice/identity';
import { createLogger, Metrics } from '@sluice/platform';
import type { RateLimiter } from '@sluice/rate-limits';
import { HTTP_OPTIONS } from '@sluice/runtime';
import type { BodyPace } from '../http/request-body.ts';
import { createRegistryHandler } from '../server.ts';
import { connectTls, SHARED_KEY_TLS } from './shared-key-tls.ts';

/** Keeps what was refused, to be looked at. */
class RecordingDenials extends DenialLog {
  readonly denials: Denial[] = [];

  record(denial: Denial): void {
    this.denials.push(denial);
  }

  async close(): Promise<void> {}
}

class NoAudit extends AuditLog {
  async record(): Promise<void> {}
}

export interface TestRegistryOptions {
  /** What blobs are encrypted under. Default: they are not. */
  readonly storageKeys?: KeyEncryptionKeys;
  /** What the storage gives as signed URLs; without it, it has none. */
  readonly signedUrl?: (key: string, seconds: number) => Promise<string>;
  readonly holdMs?: number;
  readonly pace?: BodyPace;
  readonly unreadMs?: number;
  readonly limits?: RateLimiter;
  readonly trustedProxies?: readonly string[];
  /** Only {@link TestRegistry.connect} reaches it then. */
  readonly isOverTls?: boolean;
}

export const PUBLIC_URL = 'https://sluice.test';
export const PASSWORD = 'a-good-password';

/** The data plane with everything real behind it, on a port of its own. */
export class TestRegistry {
  readonly database: TestDatabase;
  readonly host: string;
  readonly denials: readonly Denial[];
  readonly storageDirectory: string;
  /** What this replica asks the database for. */
  readonly reads: RegistryReads;
  readonly metrics: Metrics;
  /** Opens a connection to it, for what an HTTP client would not do. */
  readonly connect: () => Socket;
  readonly #coherence: ReadCoherence;
  readonly #close: () => Promise<void>;

  private constructor(
    parts: Pick<
      TestRegistry,
      'database' | 'host' | 'denials' | 'storageDirectory' | 'reads' | 'metrics' | 'connect'
    >,
    coherence: ReadCoherence,
    close: () => Promise<void>,
  ) {
    this.database = parts.database;
    this.host = parts.host;
    this.denials = parts.denials;
    this.storageDirectory = parts.storageDirectory;
    this.reads = parts.reads;
    this.metrics = parts.metrics;
    this.connect = parts.connect;
    this.#coherence = coherence;
    this.#close = close;
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const database = await createTestDatabase();
    const storageDirectory = await mkdtemp(join(tmpdir(), 'sluice-registry-'));
    return TestRegistry.#listen(database, storageDirectory, options, async () => {
      await database.close();
      await rm(storageDirectory, { recursive: true, force: true });
    });
  }

  /** Another replica on the same state. Close it first. */
  static async join(other: TestRegistry, options: TestRegistryOptions = {}): Promise<TestRegistry> {
    return TestRegistry.#listen(other.database, other.storageDirectory, options, async () => undefined);
  }

  static async #listen(
    database: TestDatabase,
    storageDirectory: string,
    options: TestRegistryOptions,
    closeState: () => Promise<void>,
  ): Promise<TestRegistry> {
    const { source } = database;
    const directory = await FsBlobStorage.open(join(storageDirectory, 'blobs'));
    if (options.signedUrl !== undefined) Object.assign(directory, { signedUrl: options.signedUrl });
    const storage =
      options.storageKeys === undefined
        ? directory
        : EncryptedBlobStorage.over(
            directory,
            options.storageKeys,
            new PostgresObjectKeyEnvelopes(database.source),
          );
    const notifications = new PostgresNotifications({ url: database.url });
    const denials = new RecordingDenials();
    const gate = new PullGate(await PostgresVerdictSignals.open(notifications), denials, {
      holdMs: options.holdMs ?? 0,
      publicUrl: PUBLIC_URL,
    });
    const coherence = await PostgresReadCoherence.open(source, notifications, {
      isReader: true,
      onError: () => undefined,
    });
    const connections = new PipelinedConnections({ url: database.url });
    const reads = new PostgresRegistryReads(source, connections);
    const identity = await openIdentity(database, storageDirectory, options.limits);
    const lease = { leaseSeconds: 3_600 };
    const dataPlane = {
      authentication: identity.authentication,
      access: identity.accessControl,
      repositories: new PostgresCatalogStore(source),
      manifests: new ManifestService(
        reads,
        new PostgresManifestWrites(source),
        gate,
        new StatementCheck(reads, storage),
        coherence,
        { ...lease, cacheBytes: 16 * 1024 * 1024 },
      ),
      blobs: new BlobService(reads, new PostgresBlobLinks(source), storage, gate, coherence, lease),
      uploads: new UploadService(new PostgresUploadSessions(source, connections), storage, {
        ...lease,
        sessionSeconds: 3_600,
      }),
      challenge: { publicUrl: PUBLIC_URL, service: 'sluice', trustForwardedProto: true },
      ...(options.pace === undefined ? {} : { pace: options.pace }),
      ...(options.unreadMs === undefined ? {} : { unreadMs: options.unreadMs }),
    };
    const metrics = new Metrics();
    const handler = await createRegistryHandler({
      dataPlane,
      tokenEndpoint: identity.tokenEndpoint,
      metrics,
      logger: createLogger('error'),
      trustedProxies: options.trustedProxies ?? [],
    });
    const isOverTls = options.isOverTls === true;
    const server = isOverTls
      ? createTlsServer({ ...HTTP_OPTIONS, ...SHARED_KEY_TLS }, handler.handle)
      : createServer(HTTP_OPTIONS, handler.handle);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const parts = {
      database,
      denials: denials.denials,
      storageDirectory,
      reads,
      metrics,
      host: `127.0.0.1:${port}`,
      connect: () => (isOverTls ? connectTls(port) : connect(port, '127.0.0.1')),
    };
    return new TestRegistry(parts, coherence, async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await handler.close();
      await connections.close();
      await coherence.close();
      await notifications.close();
      await closeState();
    });
  }

  get url(): string {
    return `http://${this.host}`;
  }

  async createProject(path: string, visibility: Visibility = 'private'): Promise<string> {
    const nodes = new PostgresNodeStore(this.database.source);
    const created = await nodes.create({ kind: 'project', path: parseNodePath(path), visibility });
    return created.at(-1)?.id ?? '';
  }

  /** A user with the password {@link PASSWORD} and a role on a project. */
  async createUser(
    name: string,
    grants: Readonly<Record<string, Role>> = {},
    isAdmin = false,
  ): Promise<string> {
    const principal = await new PostgresPrincipalStore(this.database.source).create({
      kind: 'user',
      name,
      isAdmin,
      passwordHash: await new Passwords().hash(PASSWORD),
    });
    for (const [path, role] of Object.entries(grants)) {
      await this.database.source.query(
        `INSERT INTO access_grant (id, node_id, principal_id, role)
         SELECT gen_random_uuid(), id, $1, $2 FROM node WHERE path = $3`,
        [principal.id, role, path],
      );
    }
    return principal.id;
  }

  /** A personal access token with these scopes. */
  async createToken(principalId: string, scopes: readonly string[]): Promise<string> {
    const { token, hash } = new SecretHasher().generate('pat');
    await new PostgresSecretStore(this.database.source).create(
      { principalId, kind: 'pat', name: 'test', hash, scopes: [...scopes], expiresAt: null },
      50,
    );
    return token;
  }

  /** Stores a verdict as the gate does. */
  async judge(
    repository: string,
    digest: string,
    state: VerdictState,
    summary: string | null,
  ): Promise<string> {
    const [row] = await this.database.source.query<{ id: string }[]>(
      `WITH judged AS (
         UPDATE verdict v SET state = $3, summary = $4, evaluated_at = now(), rules_revision = r.rules_revision
         FROM manifest m JOIN repository r ON r.id = m.repository_id
         WHERE v.manifest_id = m.id AND r.name = $1 AND m.digest = $2 RETURNING v.id, m.id AS manifest_id)
       SELECT id, pg_notify('sluice_verdict', manifest_id::text) FROM judged`,
      [repository, digest, state, summary],
    );
    await this.settle();
    return row?.id ?? '';
  }

  /** Stores a green verdict for all that was pushed. */
  async judgeAllGreen(): Promise<void> {
    await this.database.source.query(`UPDATE verdict SET state = 'green', rules_revision = 0`);
    await this.settle();
  }

  /** Resolves when every replica goes by what the database says, as the API waits for before it answers. */
  settle(): Promise<void> {
    return this.#coherence.settle();
  }

  /** Makes a policy with an enforcing rule hold everywhere. */
  async enforce(): Promise<void> {
    await this.database.source.query(
      `INSERT INTO policy (id, node_id, name, version, document) VALUES (gen_random_uuid(), NULL, 'default', 1,
        '{"spec":{"mode":"enforce","rules":[{"name":"scanned","kind":"scan"}]}}')`,
    );
  }

  close(): Promise<void> {
    return this.#close();
  }
}

export function basic(user: string, password: string = PASSWORD): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

async function openIdentity(
  database: TestDatabase,
  directory: string,
  limits: RateLimiter | undefined,
): Promise<Identity> {
  const { source } = database;
  return createIdentity(
    {
      principals: new PostgresPrincipalStore(source),
      nodes: new PostgresNodeStore(source),
      grants: new PostgresGrantStore(source),
      secrets: new PostgresSecretStore(source),
      ciBindings: new PostgresCiBindingStore(source),
      seenTokens: new PostgresSeenTokens(source),
      audit: new NoAudit(),
      tokenKeys: await KeyFile.open(join(directory, 'token-keys.json')),
      issuerKeys: new JwksIssuerKeys([]),
      ...(limits === undefined ? {} : { limits }),
    },
    { publicUrl: PUBLIC_URL, service: 'sluice', gitlabIssuers: [] },
  );
}
