import { randomBytes } from 'node:crypto';
import { buildImage, buildLayer, type Image, sha256 } from '@sluice/testing';
import { pushBlob, pushBlobStreamed, pushManifest, type PushTarget } from '../../lib/oci-push.ts';
import { assert, assertEqual } from '../checklist.ts';
import { importAdvisories } from '../fixtures.ts';
import { runSql } from '../platform-sql.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../platform.ts';
import type { Store } from './stores.ts';

export const REPOSITORY = 'faults/app';
export const AUTHORIZATION = basic('admin', ADMIN_PASSWORD);

/** Content is read back by digest, so the gate stands open; scanning and judging go on all the same. */
const OPEN =
  'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';

export type Form = 'streamed' | 'monolithic';

/** A platform that is killed again and again, and what it has acknowledged in all that time. */
export class Lab {
  readonly platform: Platform;
  readonly store: Store;
  readonly acknowledged = { blobs: new Set<string>(), manifests: new Set<string>() };

  private constructor(platform: Platform, store: Store) {
    this.platform = platform;
    this.store = store;
  }

  static async open(store: Store): Promise<Lab> {
    const platform = await Platform.start(store.environment);
    await importAdvisories(platform);
    await platform.api('PUT', '/policies', { node: null, document: OPEN });
    await platform.api('POST', '/projects', { path: 'faults', visibility: 'private' }, { expect: 201 });
    return new Lab(platform, store);
  }

  get target(): PushTarget {
    return { url: this.platform.url, repository: REPOSITORY, authorization: AUTHORIZATION };
  }

  /** Starts the process anew, so that it kills itself at the point. */
  async arm(point: string, environment: Record<string, string> = {}): Promise<void> {
    await this.platform.stop();
    await this.platform.launch({ ...environment, SLUICE_FAULT_POINT: point });
  }

  /** Waits until the process has reached the point, and starts it again without. */
  async restart(): Promise<void> {
    assert(await this.platform.ended(60_000), 'the process did not reach the point');
    await this.platform.launch();
  }

  request(method: string, path: string): Promise<Response> {
    const url = path.startsWith('/')
      ? `${this.platform.url}${path}`
      : `${this.platform.url}/v2/${REPOSITORY}/${path}`;
    return fetch(url, { method, headers: { authorization: AUTHORIZATION, accept: '*/*' } });
  }

  /** Null when the connection broke before an answer. */
  async statusOf(method: string, path: string): Promise<number | null> {
    try {
      const answer = await this.request(method, path);
      await answer.arrayBuffer();
      return answer.status;
    } catch (error) {
      if (error instanceof TypeError) return null;
      throw error;
    }
  }

  /** Pushes and notes what was acknowledged; false when the connection broke on the way. */
  async push(image: Image, tag: string, form: Form = 'streamed'): Promise<boolean> {
    const send = form === 'streamed' ? pushBlobStreamed : pushBlob;
    try {
      for (const blob of [...image.layers, image.config]) {
        await send(this.target, blob);
        this.acknowledged.blobs.add(blob.digest);
      }
      await pushManifest(this.target, image.manifest, tag);
      this.acknowledged.manifests.add(image.manifest.digest);
      return true;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
  }

  /** Asks again while the verdict is pending: a killed worker's job is taken over when its lease ends. */
  async get(path: string): Promise<{ status: number; digest: string }> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.request('GET', path);
      const digest = sha256(Buffer.from(await answer.arrayBuffer()));
      if (answer.status !== 429 || attempt === 3) return { status: answer.status, digest };
    }
  }

  /** Everything that was acknowledged is there with the right bytes. */
  async checkAcknowledged(): Promise<void> {
    const { blobs, manifests } = this.acknowledged;
    for (const [kind, digests] of Object.entries({ blobs, manifests })) {
      for (const digest of digests) {
        const { status, digest: actual } = await this.get(`${kind}/${digest}`);
        assertEqual([status, actual], [200, digest], `acknowledged ${kind} ${digest}`);
      }
    }
  }

  /** What was not acknowledged is there whole or not at all. */
  async checkInterrupted(image: Image): Promise<string> {
    const blobs = [...image.layers, image.config];
    for (const { digest } of blobs) {
      const blob = await this.get(`blobs/${digest}`);
      const isWhole = blob.status === 200 && blob.digest === digest;
      assert(blob.status === 404 || isWhole, `blob ${digest} is there by half`);
    }
    const manifest = await this.get(`manifests/${image.manifest.digest}`);
    if (manifest.status === 404) return 'not there';
    assertEqual([manifest.status, manifest.digest], [200, image.manifest.digest], 'interrupted manifest');
    for (const { digest } of blobs) {
      assertEqual(
        (await this.get(`blobs/${digest}`)).status,
        200,
        `blob ${digest} of a manifest that is there`,
      );
    }
    return 'there, whole';
  }

  /** Lets every unfinished upload expire, has the platform sweep, and finds nothing in the store but committed blobs. */
  async checkOrphans(): Promise<string> {
    await this.expireUploads();
    await this.platform.stop();
    await this.platform.launch({ SLUICE_UPLOAD_SECONDS: '1' });
    try {
      return await this.#untilSwept();
    } finally {
      // What is begun from now on must not expire within a second.
      await this.platform.stop();
      await this.platform.launch();
    }
  }

  async #untilSwept(): Promise<string> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const rows = await runSql<{ object_key: string }>(this.platform, 'SELECT object_key FROM blob');
      const sessions = await runSql(this.platform, 'SELECT id FROM upload_session');
      const { objects, unfinished } = await this.store.contents(this.platform);
      const known = new Set(rows.map((row) => row.object_key));
      const orphans = objects.filter((key) => !known.has(key));
      if (orphans.length + unfinished.length + sessions.length === 0) {
        assertEqual(objects.length, known.size, 'objects of blobs');
        return `${objects.length} objects, each with its blob`;
      }
      if (Date.now() > deadline) {
        const [rest] = [...orphans, ...unfinished];
        throw new Error(
          `after the sweep: ${orphans.length} orphans, ${unfinished.length} unfinished, ${sessions.length} sessions, e.g. ${rest}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  /** As a day without a request would. */
  async expireUploads(): Promise<void> {
    await runSql(
      this.platform,
      'UPDATE upload_session SET expires_at = now(), writer_until = NULL, writer = NULL',
    );
    // Orphans are told by their age, which the store counts in seconds.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
  }
}

/** An image that nobody has pushed. */
export async function freshImage(layerBytes = 3_000_000): Promise<Image> {
  const entries = [
    { path: 'app/node_modules/minimist/package.json', content: '{"name":"minimist","version":"1.2.8"}' },
    { path: 'app/random.bin', content: randomBytes(layerBytes) },
  ];
  return buildImage([await buildLayer(entries)]);
}
