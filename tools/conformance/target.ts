import type { Platform } from '../system/platform.ts';

/** A running registry that the suites are let loose on. */
export interface Target {
  /** How the table calls it. */
  readonly title: string;
  readonly url: string;
  /** Host and port of `url`. */
  readonly host: string;
  readonly api: Platform['api'];
}

/** Project that all suites push to. */
export const PROJECT = 'conformance';

/** Blobs are pulled before any manifest names them and manifests before they are judged, so no policy may ask for more. */
const OPEN_GATE =
  'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';

/** Makes the project of the suites, which pushes an image without one of its layers, and opens the gate. */
export async function prepareTarget({ api }: Pick<Target, 'api'>): Promise<void> {
  await api('PUT', '/policies', { node: null, document: OPEN_GATE });
  const { body } = await api<{ id: string }>(
    'POST',
    '/projects',
    { path: PROJECT, visibility: 'private' },
    { expect: 201 },
  );
  await api('PATCH', `/projects/${body.id}`, { missingBlobs: 'accept' }, { headers: { 'if-match': '*' } });
}
