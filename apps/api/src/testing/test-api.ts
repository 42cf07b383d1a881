import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditEvent, AuditLog } from '@sluice/database';
import {
  PostgresCatalogStore,
  PostgresCiBindingStore,
  PostgresGrantStore,
  PostgresNodeStore,
  PostgresNotifications,
  PostgresPrincipalStore,
  PostgresSecretStore,
  PostgresVerdictSignals,
} from '@sluice/database/postgres';
import { Catalog } from '@sluice/catalog';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import {
  AccessControl,
  Authentication,
  KeyFile,
  LoginThrottle,
  Passwords,
  RegistryTokens,
  SecretHasher,
} from '@sluice/identity';
import { Projects } from '@sluice/projects';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApi } from '../create-api.ts';

export class RecordingAuditLog extends AuditLog {
  readonly events: AuditEvent[] = [];

  async record(event: AuditEvent): Promise<void> {
    this.events.push(event);
  }
}

export interface TestApi extends AsyncDisposable {
  readonly app: NestFastifyApplication;
  readonly database: TestDatabase;
  readonly audit: RecordingAuditLog;
}

/** The API with its real features on a database of its own; the audit log is kept in memory. */
export async function createTestApi(): Promise<TestApi> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'sluice-api-'));
  const audit = new RecordingAuditLog();
  const principals = new PostgresPrincipalStore(database.source);
  const nodes = new PostgresNodeStore(database.source);
  const secrets = new PostgresSecretStore(database.source);
  new PostgresGrantStore(database.source);
  new PostgresCiBindingStore(database.source);
  const passwords = new Passwords();
  const hasher = new SecretHasher();
  const keys = await KeyFile.open(join(directory, 'token-keys.json'));
  const tokens = new RegistryTokens(keys, { issuer: 'http://sluice.test', service: 'sluice.test' });
  const authentication = new Authentication({
    principals,
    secrets,
    hasher,
    passwords,
    throttle: new LoginThrottle(),
    tokens,
    workloads: null,
  });
  await principals.create({
    kind: 'user',
    name: 'admin',
    isAdmin: true,
    passwordHash: await passwords.hash('admin-password'),
  });
  const notifications = new PostgresNotifications({ url: database.url });
  const signals = await PostgresVerdictSignals.open(notifications);
  const app = await createApi({
    authentication,
    accessControl: new AccessControl(nodes, principals),
    projects: new Projects(nodes, audit),
    catalog: new Catalog(new PostgresCatalogStore(database.source), signals),
    publicUrl: 'http://sluice.test',
    locators: {},
  });
  return {
    app,
    database,
    audit,
    async [Symbol.asyncDispose]() {
      await app.close();
      await notifications.close();
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function basic(userName: string, password: string): string {
  return `Basic ${Buffer.from(`${userName}:${password}`).toString('base64')}`;
}
