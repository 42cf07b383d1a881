/** Which client proves which kind. What is not proved says why, here and nowhere else. */

export const CLIENTS = [
  'docker',
  'podman',
  'buildah',
  'skopeo',
  'crane',
  'regctl',
  'oras',
  'ctr',
  'helm',
  'cosign-2',
  'cosign',
  'notation',
] as const;
export type Client = (typeof CLIENTS)[number];

/** Why a client has nothing to prove for a kind, by the letter that stands in the table. */
export const REASONS = {
  a: 'moves images that a container runtime can run, and nothing else',
  b: 'makes and reads artifacts of its own kind only',
  c: 'does not make this kind, and copies it like any artifact',
  d: 'has no command for it',
  e: 'is too old for this kind in the release that Debian 12 has',
  f: 'looks one level deep into an index',
  g: 'handles layers with foreign addresses on Windows only',
} as const;
export type Reason = keyof typeof REASONS;

/**
 * When a kind is run: before the kill of a replica, before it over TLS, during it, while one replica is left, while the
 * object store hands the blobs out, and under a policy that an admin has set.
 */
export type Phase = 'login' | 'gated' | 'secure' | 'killed' | 'degraded' | 'redirected' | 'lenient';

export interface Kind {
  readonly name: string;
  readonly phase: Phase;
  readonly cells: Readonly<Record<Client, 'x' | Reason>>;
}

/** One letter a client, in the order of {@link CLIENTS}: `x` has to pass. */
function kind(name: string, phase: Phase, letters: string): Kind {
  const marks = letters.split(/\s+/);
  if (marks.length !== CLIENTS.length) throw new Error(`${name}: ${marks.length} letters`);
  const cells = CLIENTS.map((client, at) => [client, marks[at]] as const);
  return { name, phase, cells: Object.fromEntries(cells) as Kind['cells'] };
}

// prettier-ignore
export const KINDS: readonly Kind[] = [
  //                               docker        skopeo      oras      helm     cosign
  //                                  podman        crane       ctr       cosign-2 notation
  //                                     buildah       regctl
  kind('login',              'login', 'x  x  x      x  x  x     x  x      x  x     x  x'),
  kind('Docker v2s2',        'gated', 'x  x  x      x  x  x     x  x      b  b     b  b'),
  kind('Docker list',        'gated', 'x  x  x      x  x  x     x  x      b  b     b  b'),
  kind('schema 1 (refused)', 'gated', 'd  x  x      x  d  x     x  d      b  b     b  b'),
  kind('OCI image',          'gated', 'x  x  x      x  x  x     x  x      b  b     b  b'),
  kind('OCI index',          'gated', 'x  x  x      x  x  x     x  x      b  b     b  b'),
  kind('nested index',       'gated', 'f  f  f      f  x  x     x  x      b  b     b  b'),
  kind('BuildKit',           'gated', 'x  x  x      x  x  x     x  x      b  b     b  b'),
  kind('BuildKit, OCI form', 'gated', 'x  x  x      e  x  x     x  x      b  b     b  b'),
  kind('zstd',               'gated', 'e  x  x      x  x  x     x  x      b  b     b  b'),
  kind('zstd:chunked',       'gated', 'e  x  d      x  c  c     c  c      b  b     b  b'),
  kind('eStargz',            'gated', 'x  x  x      x  x  x     x  x      b  b     b  b'),
  kind('SOCI v1',            'gated', 'a  a  a      x  x  x     x  x      b  b     b  b'),
  kind('SOCI v2',            'gated', 'a  a  a      e  x  x     x  x      b  b     b  b'),
  kind('many tags',          'gated', 'd  x  d      x  x  x     x  d      x  b     b  b'),
  kind('Helm chart',         'gated', 'a  a  a      c  c  c     c  c      x  b     b  b'),
  kind('cosign bundle',      'gated', 'a  a  a      c  c  x     x  c      b  x     x  b'),
  kind('cosign legacy',      'gated', 'a  a  a      c  c  x     c  c      b  x     x  b'),
  kind('Notation',           'gated', 'a  a  a      c  c  c     x  c      b  b     b  x'),
  kind('SBOM',               'gated', 'a  a  a      d  d  x     x  d      b  x     b  b'),
  kind('artifact',           'gated', 'a  a  a      x  x  x     x  x      b  b     b  b'),
  kind('empty config',       'gated', 'a  a  a      x  x  x     x  x      b  b     b  b'),
  kind('artifact index',     'gated', 'a  a  a      e  x  x     x  x      b  b     b  b'),
  kind('with subject',       'gated', 'a  a  a      x  x  x     x  x      b  b     b  b'),
  kind('Trivy database',     'gated', 'a  a  a      x  x  x     x  x      b  b     b  b'),
  kind('private CA',         'secure', 'x  x  x     x  x  x     x  x      x  x     x  x'),
  kind('large, replica killed', 'killed', 'x  x  x   x  x  x     x  x      d  d     d  d'),
  kind('copy and mount',     'degraded', 'x  x  x   x  x  x     x  d      d  x     d  d'),
  kind('delete',             'degraded', 'd  d  d   x  x  x     x  d      d  x     x  d'),
  kind('redirected pull',    'redirected', 'x  x  x x  x  x     x  x      x  x     x  x'),
  kind('sparse index',       'lenient', 'x  x  x    x  x  x     x  x      b  b     b  b'),
  kind('nondistributable',   'lenient', 'g  x  x    x  x  x     x  x      b  b     b  b'),
  kind('foreign layer',      'lenient', 'g  x  x    x  x  x     x  x      b  b     b  b'),
  kind('file as image',      'lenient', 'a  a  a    x  x  x     x  x      b  x     b  b'),
  kind('WASM',               'lenient', 'a  a  a    x  x  x     x  x      b  x     b  b'),
  kind('SIF',                'lenient', 'a  a  a    x  x  x     x  x      b  b     b  b'),
];
