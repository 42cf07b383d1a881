import { Connection, type Endpoint } from '../driver/connection.ts';
import { headOf } from '../driver/request.ts';
import { basic } from '../../system/platform.ts';
import { type Action, eventually, PROJECT, type Registry } from './registry.ts';

export const ADMIN_PASSWORD = 'bench-admin-password';

/** The peers have no limits for what one client may ask either. */
export const NO_LIMITS = {
  SLUICE_RATE_LIMIT_PRINCIPAL: '0',
  SLUICE_RATE_LIMIT_ADDRESS: '0',
};

/** What every form of Sluice has in common for a client. */
export abstract class Sluice implements Registry {
  readonly name = 'Sluice';
  readonly endpoint: Endpoint;
  /** Where the API is, over plain HTTP. */
  readonly #api: string;
  readonly #service: string;

  protected constructor(endpoint: Endpoint, api: string) {
    this.endpoint = endpoint;
    this.#api = api;
    this.#service = `${endpoint.host}:${endpoint.port}`;
  }

  abstract servers(): readonly number[];

  abstract processes(): readonly number[];

  abstract stop(): Promise<void>;

  async authorization(repositories: readonly string[], actions: readonly Action[]): Promise<string> {
    const query = new URLSearchParams([
      ['service', this.#service],
      ...repositories.map((name): [string, string] => ['scope', `repository:${name}:${actions.join(',')}`]),
    ]);
    const { status, body } = await this.#get(`/service/token?${query.toString()}`);
    if (status !== 200) throw new Error(`no token: ${status} ${body.toString()}`);
    return `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}`;
  }

  async prepare(): Promise<void> {
    const answer = await fetch(`${this.#api}/api/v1/projects`, {
      method: 'POST',
      headers: { authorization: basic('admin', ADMIN_PASSWORD), 'content-type': 'application/json' },
      body: JSON.stringify({ path: PROJECT, visibility: 'private' }),
    });
    if (answer.status !== 201) throw new Error(`no project: ${answer.status} ${await answer.text()}`);
  }

  /** Whoever may push is answered before the verdict is there, but never from memory: so the answer alone says too little. */
  async settle(repository: string, reference: string): Promise<void> {
    await this.rest();
    const path = `/v2/${repository}/manifests/${reference}`;
    await eventually(
      `${repository}:${reference} becomes pullable`,
      120,
      async () => (await this.#get(path)).status === 200,
    );
  }

  /** Scans and judgements come after the answer to a push. */
  async rest(): Promise<void> {
    let looks = 0;
    await eventually('everything that was pushed is judged', 120, async () => {
      looks = (await this.#hasJobs()) ? 0 : looks + 1;
      // An event is a job within a fifth of a second.
      return looks === 5;
    });
  }

  async #hasJobs(): Promise<boolean> {
    const answer = await fetch(`${this.#api}/api/v1/jobs?state=queued,running&limit=1`, {
      headers: { authorization: basic('admin', ADMIN_PASSWORD) },
    });
    if (answer.status !== 200) throw new Error(`no jobs: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { items: unknown[] }).items.length > 0;
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
}
