import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { buildImage, buildLayer, GitLabDouble, type Image, sha256 } from '@sluice/testing';
import { pushBlob, pushImage, type PushTarget } from '../../lib/oci-push.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../platform.ts';

/** What one request got. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export const PASSWORDS = {
  owner: 'the password of the owner',
  maintainer: 'the password of the maintainer',
  developer: 'the password of the developer',
  reporter: 'the password of the reporter',
  stranger: 'the password of the stranger',
} as const;
export type Person = keyof typeof PASSWORDS;

/** A platform that logs all it ever logs, with people of every role on the group `hostile`, and a GitLab double. */
export class Arena {
  readonly platform: Platform;
  readonly gitlab: GitLabDouble;

  private constructor(platform: Platform, gitlab: GitLabDouble) {
    this.platform = platform;
    this.gitlab = gitlab;
  }

  static async create(environment: Record<string, string> = {}): Promise<Arena> {
    const gitlab = await GitLabDouble.start();
    const platform = await Platform.start({
      SLUICE_LOG_LEVEL: 'debug',
      SLUICE_GITLAB_URL: gitlab.issuer,
      SLUICE_GATE_HOLD_SECONDS: '2',
      ...environment,
    });
    for (const path of ['hostile/app', 'hostile/other', 'foreign/app']) {
      await platform.api('POST', '/projects', { path, visibility: 'private' }, { expect: 201 });
    }
    for (const [name, password] of Object.entries(PASSWORDS)) {
      await platform.api('POST', '/users', { name, password }, { expect: 201 });
      if (name === 'stranger') continue;
      await platform.api('POST', '/grants', { node: 'hostile/app', principal: name, role: name });
    }
    return new Arena(platform, gitlab);
  }

  async remove(): Promise<void> {
    await this.platform.remove();
    await this.gitlab[Symbol.asyncDispose]();
  }

  as(person: Person | 'admin'): string {
    return basic(person, person === 'admin' ? ADMIN_PASSWORD : PASSWORDS[person]);
  }

  target(repository: string, person: Person | 'admin' = 'admin'): PushTarget {
    return { url: this.platform.url, repository, authorization: this.as(person) };
  }

  async request(
    method: string,
    path: string,
    authorization: string | null,
    options: { readonly headers?: Record<string, string>; readonly body?: string | Buffer | object } = {},
  ): Promise<Answer> {
    const { body } = options;
    const isDocument = typeof body === 'object' && !Buffer.isBuffer(body);
    const answer = await fetch(`${this.platform.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(authorization === null ? {} : { authorization }),
        ...(isDocument ? { 'content-type': 'application/json' } : {}),
        ...options.headers,
      },
      ...(body === undefined
        ? {}
        : {
            body: isDocument ? JSON.stringify(body) : typeof body === 'string' ? body : new Uint8Array(body),
          }),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  /** A small image with content of its own. */
  async image(entries: readonly { path: string; content: string }[] = []): Promise<Image> {
    const salt = { path: 'app/salt', content: randomBytes(8).toString('hex') };
    return buildImage([await buildLayer([...entries, salt])]);
  }

  async push(repository: string, image: Image, reference: string): Promise<void> {
    await pushImage(this.target(repository), image, reference);
  }

  async blob(repository: string, content: string | Buffer): Promise<{ digest: string; size: number }> {
    const bytes = Buffer.from(content);
    const digest = sha256(bytes);
    await pushBlob(this.target(repository), { bytes, digest });
    return { digest, size: bytes.length };
  }

  /** Resolves when no job is queued or running any more. */
  async idle(seconds = 60): Promise<void> {
    const deadline = Date.now() + seconds * 1_000;
    for (let quiet = 0; quiet < 3;) {
      const { body } = await this.platform.api<{ items: unknown[] }>(
        'GET',
        '/jobs?state=queued,running&limit=1',
      );
      quiet = body.items.length === 0 ? quiet + 1 : 0;
      if (Date.now() > deadline) throw new Error(`jobs are still running after ${seconds} s`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The process answers, and soon. */
  async alive(): Promise<string> {
    const startedAt = performance.now();
    const answer = await fetch(`${this.platform.url}/readyz`, { signal: AbortSignal.timeout(10_000) });
    if (answer.status !== 200) throw new Error(`/readyz answers ${answer.status}`);
    return `alive in ${Math.round(performance.now() - startedAt)} ms`;
  }

  /**
   * Sends bytes as they are over a connection of its own and returns what came back within the time.
   *
   * @param options.cutAfterMs closes the connection hard after this time, whatever has come
   */
  async raw(
    chunks: readonly (string | Buffer)[],
    options: { readonly cutAfterMs?: number; readonly waitMs?: number; readonly pauseMs?: number } = {},
  ): Promise<{ text: string; closed: boolean }> {
    const socket = connect(this.platform.port, '127.0.0.1');
    let text = '';
    let closed = false;
    socket.on('data', (chunk) => (text = (text + chunk.toString('latin1')).slice(0, 100_000)));
    socket.on('error', () => undefined);
    const over = new Promise<void>((resolve) =>
      socket.once('close', () => {
        closed = true;
        resolve();
      }),
    );
    const timer = setTimeout(() => socket.destroy(), options.cutAfterMs ?? 1e9);
    for (const chunk of chunks) {
      if (closed) break;
      socket.write(chunk);
      if (options.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    }
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, options.waitMs ?? 5_000))]);
    clearTimeout(timer);
    const wasClosed = closed;
    socket.destroy();
    return { text, closed: wasClosed };
  }
}
