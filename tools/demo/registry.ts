import type { Image } from '@sluice/testing';
import { bearer, pushImage } from '../lib/oci-push.ts';
import { basic } from '../system/platform.ts';

/** What a pull ended with: the bytes that arrived, or the registry's own words of refusal. */
export type PullResult =
  | { readonly kind: 'pulled'; readonly bytes: number }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

/** A registry client with one user's credentials: as docker does, it trades them for a token of the scope it needs. */
export class DemoClient {
  private readonly url: string;
  private readonly authorization: string;

  constructor(url: string, user: string, password: string) {
    this.url = url;
    this.authorization = basic(user, password);
  }

  async push(repository: string, image: Image, tag: string): Promise<void> {
    const authorization = await bearer(this.url, this.authorization, `repository:${repository}:pull,push`);
    await pushImage({ url: this.url, repository, authorization }, image, tag);
  }

  /** Manifest, config and layers, as a container runtime pulls them. */
  async pull(repository: string, tag: string): Promise<PullResult> {
    const authorization = await bearer(this.url, this.authorization, `repository:${repository}:pull`);
    const get = (path: string): Promise<Response> =>
      fetch(`${this.url}/v2/${repository}/${path}`, { headers: { authorization, accept: '*/*' } });
    const answer = await get(`manifests/${tag}`);
    if (!answer.ok) return refusal(answer);
    const manifest = (await answer.json()) as { config: { digest: string }; layers: { digest: string }[] };
    let bytes = 0;
    for (const { digest } of [manifest.config, ...manifest.layers]) {
      const blob = await get(`blobs/${digest}`);
      if (!blob.ok) return refusal(blob);
      bytes += (await blob.arrayBuffer()).byteLength;
    }
    return { kind: 'pulled', bytes };
  }
}

async function refusal(answer: Response): Promise<PullResult> {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  const [first] = errors;
  return { kind: 'refused', status: answer.status, message: `${first?.code}: ${first?.message}` };
}
