import { Cosign } from './cosign.ts';
import { Crane } from './crane.ts';
import { Ctr } from './ctr.ts';
import { Docker } from './docker-client.ts';
import type { Runner } from './graph.ts';
import { Helm } from './helm.ts';
import { Notation } from './notation.ts';
import { Oras } from './oras.ts';
import { Podman } from './podman.ts';
import { Regctl } from './regctl.ts';
import type { Samples } from './samples.ts';
import { Signed } from './signed.ts';
import { Skopeo } from './skopeo.ts';
import type { Client } from './table.ts';
import type { World } from './world.ts';

/** Makes the clients that were asked for; some start a daemon of their own. */
export async function createRunners(
  world: World,
  samples: Samples,
  clients: readonly Client[],
): Promise<readonly Runner[]> {
  const cosign = new Cosign(world, 'cosign');
  const notation = new Notation(world);
  const signed = new Signed(world, cosign, notation);
  const makers: Record<Client, () => Runner | Promise<Runner>> = {
    docker: () => Docker.start(world, samples),
    podman: () => new Podman(world, samples, 'podman'),
    buildah: () => new Podman(world, samples, 'buildah'),
    skopeo: () => new Skopeo(world, samples),
    crane: () => new Crane(world, samples),
    regctl: () => new Regctl(world, samples, signed),
    oras: () => new Oras(world, samples, signed),
    ctr: () => Ctr.start(world, samples),
    helm: () => new Helm(world),
    'cosign-2': () => new Cosign(world, 'cosign-2'),
    cosign: () => cosign,
    notation: () => notation,
  };
  return Promise.all(clients.map(async (client) => makers[client]()));
}
