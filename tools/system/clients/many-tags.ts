import { buildLayer, descriptor } from '@sluice/testing';
import { pushManifest } from '../../lib/oci-push.ts';
import { assertEqual } from '../checklist.ts';
import { content, OCI_MANIFEST, type Sample, sampleOf } from './sample.ts';
import type { World } from './world.ts';

/** One more than two pages: the registry gives out at most 1,000 tags at once. */
const TAGS = [...Array.from({ length: 1_100 }, (_, at) => `1.0.${at}`), '9.0.0', 'v1'];
const TAGS_AT_ONCE = 10;

let tagged: Promise<string> | undefined;

/** A chart with more tags than fit on a page of the list; made once. Resolves with its `<host>/<repository>`. */
export function tagMany(world: World): Promise<string> {
  tagged ??= tag(world);
  return tagged;
}

/** A client followed the `Link` of the first page. */
export function expectManyTags(listed: readonly string[]): void {
  assertEqual([...listed].sort(), [...TAGS].sort(), 'listed tags');
}

async function tag(world: World): Promise<string> {
  const sample = await chart();
  const repository = await world.seed('many/web', sample);
  const target = world.target(repository);
  const names = TAGS.filter((name) => name !== 'v1');
  for (let at = 0; at < names.length; at += TAGS_AT_ONCE) {
    const query = names.slice(at, at + TAGS_AT_ONCE).map((name) => `tag=${name}`);
    await pushManifest(target, sample.root, `${sample.root.digest}?${query.join('&')}`);
  }
  return world.reference(repository);
}

async function chart(): Promise<Sample> {
  const text = 'apiVersion: v2\nname: web\nversion: 9.0.0\n';
  const { bytes } = await buildLayer([{ path: 'web/Chart.yaml', content: text }]);
  const config = content('application/vnd.cncf.helm.config.v1+json', { name: 'web', version: '9.0.0' });
  const layer = content('application/vnd.cncf.helm.chart.content.v1.tar+gzip', bytes);
  const manifest = content(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(config),
    layers: [descriptor(layer)],
  });
  return sampleOf([config, layer, manifest]);
}
