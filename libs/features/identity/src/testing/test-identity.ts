import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditActor, type AuditEvent, AuditLog, type NodeRecord } from '@sluice/database';
import {
  PostgresCiBindingStore,
  PostgresGrantStore,
  PostgresNodeStore,
  PostgresPrincipalStore,
  PostgresSecretStore,
  PostgresSeenTokens,
} from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { parseNodePath, type Role, type Visibility } from '@sluice/domain/access';
import { JwksIssuerKeys } from '@sluice/gitlab-client/jwks';
import { createIdentity, type Identity } from '../create-identity.ts';
import { KeyFile } from '../key-file.ts';

export const PUBLIC_URL = 'https://sluice.example';
export const SERVICE = 'sluice.example';
export const BY: AuditActor = { actor: 'test', tokenId: null, clientAddress: null, requestId: null };

export class RecordingAuditLog extends AuditLog {
  readonly events: AuditEvent[] = [];

  async record(event: AuditEvent): Promise<void> {
    this.events.push(event);
  }
}

/** The identity feature on a database of its own, with a clock that a test can turn. */
export class TestIdentity implements AsyncDisposable {
  readonly database: TestDatabase;
  readonly identity: Identity;
  readonly nodes: PostgresNodeStore;
  readonly grants: PostgresGrantStore;
  readonly principals: PostgresPrincipalStore;
  readonly audit: RecordingAuditLog;
  /** Seconds by which the clock is ahead. */
  ahead = 0;
  readonly #directory: string;

  private constructor(
    database: TestDatabase,
    directory: string,
    tokenKeys: KeyFile,
    gitlabIssuers: readonly string[],
  ) {
    this.database = database;
    this.#directory = directory;
    this.audit = new RecordingAuditLog();
    this.nodes = new PostgresNodeStore(database.source);
    this.grants = new PostgresGrantStore(database.source);
    this.principals = new PostgresPrincipalStore(database.source);
    this.identity = createIdentity(
      {
        nodes: this.nodes,
        principals: this.principals,
        grants: this.grants,
        secrets: new PostgresSecretStore(database.source),
        ciBindings: new PostgresCiBindingStore(database.source),
        seenTokens: new PostgresSeenTokens(database.source),
        audit: this.audit,
        tokenKeys,
        issuerKeys: new JwksIssuerKeys(
          gitlabIssuers.map((issuer) => ({ issuer })),
          { now: () => this.now() },
        ),
      },
      {
        publicUrl: PUBLIC_URL,
        service: SERVICE,
        gitlabIssuers,
        throttle: { failures: 3 },
        now: () => this.now(),
      },
    );
  }

  static async create(gitlabIssuers: readonly string[] = []): Promise<TestIdentity> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-identity-'));
    const tokenKeys = await KeyFile.open(join(directory, 'keys.json'));
    return new TestIdentity(await createTestDatabase(), directory, tokenKeys, gitlabIssuers);
  }

  now(): Date {
    return new Date(Date.now() + this.ahead * 1_000);
  }

  async project(path: string, visibility: Visibility = 'private'): Promise<NodeRecord> {
    const created = await this.nodes.create({ kind: 'project', path: parseNodePath(path), visibility });
    const project = created.at(-1);
    if (project === undefined) throw new Error(`${path} was not created`);
    return project;
  }

  /** A user whose password is `password of <name>`. */
  async user(name: string, roles: Readonly<Record<string, Role>> = {}) {
    const user = await this.identity.users.create(BY, { name, password: `password of ${name}` });
    for (const [path, role] of Object.entries(roles)) {
      const node = await this.nodes.get({ path });
      if (node === null) throw new Error(`there is no ${path}`);
      await this.grants.put({
        principalId: user.id,
        nodeId: node.id,
        role,
        source: 'local',
        expiresAt: null,
      });
    }
    return user;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export function basic(userName: string, password: string): string {
  return `Basic ${Buffer.from(`${userName}:${password}`).toString('base64')}`;
}
