import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN_PASSWORD, basic, Platform } from '../../system/platform.ts';
import { Connection, type Endpoint } from '../driver/connection.ts';
import { headOf } from '../driver/request.ts';
import { type Action, eventually, PROJECT, type Registry, type Transport } from './registry.ts';

/** The whole platform in one process on its embedded PostgreSQL, as `npm start` runs it. */
export class SluiceStandalone implements Registry {
  readonly name = 'Sluice';
  readonly endpoint: Endpoint;
  readonly #platform: Platform;

  private constructor(platform: Platform, transport: Transport) {
    this.#platform = platform;
    this.endpoint = { host: '127.0.0.1', port: platform.port, certificate: transport.tls?.pem ?? null };
  }

  static async start(transport: Transport): Promise<SluiceStandalone> {
    const { tls } = transport;
    const platform = await Platform.start(
      tls === null ? {} : { SLUICE_TLS_CERT_FILE: tls.certificateFile, SLUICE_TLS_KEY_FILE: tls.keyFile },
    );
    return new SluiceStandalone(platform, transport);
  }

  servers(): readonly number[] {
    return [this.#platformProcess()];
  }

  processes(): readonly number[] {
    const postmaster = readFileSync(
      join(this.#platform.directory, 'data', 'postgres', 'cluster', 'postmaster.pid'),
      'utf8',
    );
    return [this.#platformProcess(), Number(postmaster.split('\n')[0])];
  }

  async authorization(repositories: readonly string[], actions: readonly Action[]): Promise<string> {
    const query = new URLSearchParams([
      ['service', `127.0.0.1:${this.endpoint.port}`],
      ...repositories.map((name): [string, string] => ['scope', `repository:${name}:${actions.join(',')}`]),
    ]);
    const { status, body } = await this.#get(`/service/token?${query.toString()}`);
    if (status !== 200) throw new Error(`no token: ${status} ${body.toString()}`);
    return `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}`;
  }

  async prepare(): Promise<void> {
    await this.#platform.api('POST', '/projects', { path: PROJECT, visibility: 'private' }, { expect: 201 });
  }

  async settle(repository: string, reference: string): Promise<void> {
    const path = `/v2/${repository}/manifests/${reference}`;
    await eventually(
      `${repository}:${reference} becomes pullable`,
      120,
      async () => (await this.#get(path)).status === 200,
    );
  }

  async stop(): Promise<void> {
    await this.#platform.remove();
  }

  async #get(target: string) {
    const connection = await Connection.open(this.endpoint);
    try {
      const fields = { authorization: basic('admin', ADMIN_PASSWORD) };
      return await connection.fetch(headOf(this.endpoint, 'GET', target, fields));
    } finally {
      connection.close();
    }
  }

  #platformProcess(): number {
    const lock = readFileSync(join(this.#platform.directory, 'data', 'lock'), 'utf8');
    return Number(lock.trim());
  }
}
