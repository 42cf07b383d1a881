import { ociImage } from './image-kinds.ts';
import type { Cosign } from './cosign.ts';
import type { Notation } from './notation.ts';
import type { World } from './world.ts';

export interface SignedImage {
  readonly repository: string;
  readonly digest: string;
}

/** Images that were signed by their own tools, each made once: for clients that copy signatures. */
export class Signed {
  readonly #world: World;
  readonly #cosign: Cosign;
  readonly #notation: Notation;
  readonly #images = new Map<string, Promise<SignedImage>>();

  constructor(world: World, cosign: Cosign, notation: Notation) {
    this.#world = world;
    this.#cosign = cosign;
    this.#notation = notation;
  }

  image(kind: 'bundle' | 'legacy' | 'notation'): Promise<SignedImage> {
    const made = this.#images.get(kind) ?? this.#make(kind);
    this.#images.set(kind, made);
    return made;
  }

  async #make(kind: 'bundle' | 'legacy' | 'notation'): Promise<SignedImage> {
    const sample = await ociImage(`signed, ${kind}`);
    const repository = await this.#world.seed(`signed-${kind}`, sample);
    const image = { repository, digest: sample.root.digest };
    if (kind === 'notation') await this.#notation.sign(image);
    else await this.#cosign.sign(image, kind);
    return image;
  }
}
