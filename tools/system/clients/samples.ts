import type { Sample } from './sample.ts';
import {
  artifactIndex,
  artifactWithSubject,
  emptyConfigArtifact,
  fileAsImage,
  helmPlugin,
  genericArtifact,
  sifImage,
  sociIndex,
  sociReferrer,
  trivyDatabase,
  wasmModule,
} from './artifact-kinds.ts';
import {
  buildkitArtifacts,
  buildkitAttestations,
  dockerList,
  dockerV2,
  foreignImage,
  nestedIndex,
  ociImage,
  ociIndex,
  sparseIndex,
  stargzImage,
  zstdImage,
} from './image-kinds.ts';
import type { World } from './world.ts';

/** The samples of each kind that is made of bytes of ours, by the name of the kind in the table. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

export async function buildSamples(world: World): Promise<Samples> {
  const serve = (bytes: Buffer): string => world.serveElsewhere(bytes);
  return new Map<string, readonly Sample[]>([
    ['Docker v2s2', [await dockerV2()]],
    ['Docker list', [await dockerList()]],
    ['OCI image', [await ociImage('image')]],
    ['OCI index', [await ociIndex()]],
    ['nested index', [await nestedIndex()]],
    ['BuildKit', [await buildkitAttestations()]],
    ['BuildKit, OCI form', [await buildkitArtifacts()]],
    ['zstd', [await zstdImage()]],
    ['eStargz', [await stargzImage()]],
    ['SOCI v1', [await sociReferrer()]],
    ['SOCI v2', [await sociIndex()]],
    ['artifact', [genericArtifact(), helmPlugin()]],
    ['empty config', [emptyConfigArtifact()]],
    ['artifact index', [artifactIndex()]],
    ['with subject', [await artifactWithSubject()]],
    ['Trivy database', [trivyDatabase('db'), trivyDatabase('javadb')]],
    ['sparse index', [await sparseIndex()]],
    ['nondistributable', [await foreignImage('oci', serve)]],
    ['foreign layer', [await foreignImage('docker', serve)]],
    ['file as image', [fileAsImage()]],
    ['WASM', [wasmModule()]],
    ['SIF', [sifImage()]],
  ]);
}
