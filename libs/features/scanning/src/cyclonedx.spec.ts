import { type Inventory, toCycloneDx } from '@sluice/domain/sbom';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { describe, expect, it } from 'vitest';

const LAYER = `sha256:${'1'.repeat(64)}`;
const SUBJECT = { digest: `sha256:${'a'.repeat(64)}`, name: 'team/app' };

function inventoryOf(change: Partial<Inventory> = {}): Inventory {
  const common = { architecture: null, layer: LAYER, ownedBy: null, license: null };
  return {
    catalogerVersion: 1,
    distribution: {
      id: 'debian',
      version: '12',
      name: 'Debian GNU/Linux 12 (bookworm)',
      ecosystem: 'Debian:12',
    },
    packages: [
      {
        ...common,
        format: 'dpkg',
        name: 'libssl3',
        version: '3.0.11-1~deb12u2',
        architecture: 'amd64',
        source: { name: 'openssl', version: '3.0.11-1~deb12u2' },
        ecosystem: 'Debian:12',
        purl: 'pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12',
        path: 'var/lib/dpkg/status',
      },
      ...['a', 'b'].map((place) => ({
        ...common,
        format: 'npm' as const,
        name: '@scope/x',
        version: '1.0.0',
        source: { name: '@scope/x', version: '1.0.0' },
        ecosystem: 'npm',
        purl: 'pkg:npm/%40scope/x@1.0.0',
        path: `${place}/node_modules/@scope/x/package.json`,
        ownedBy: 'node-x',
        license: 'MIT',
      })),
      {
        ...common,
        format: 'go',
        name: 'example.com/x',
        version: '',
        source: { name: 'example.com/x', version: '' },
        ecosystem: 'Go',
        purl: 'pkg:golang/example.com/x',
        path: 'bin/x',
      },
    ],
    gaps: [],
    layers: [LAYER],
    ...change,
  };
}

describe('the CycloneDX 1.6 document', () => {
  it.each<[string, Inventory]>([
    ['of packages', inventoryOf()],
    ['of nothing', inventoryOf({ packages: [], distribution: null })],
    [
      'of an image that was read in part',
      inventoryOf({ gaps: [{ kind: 'unread', reason: 'app.jar: not read' }] }),
    ],
  ])('%s passes the strict schema of the specification', async (_title, inventory) => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(await validator.validate(JSON.stringify(toCycloneDx(inventory, SUBJECT)))).toBeNull();
  });

  it('gives each package with purl, layer and path; one at two places is two components', () => {
    const { components } = toCycloneDx(inventoryOf(), SUBJECT) as { components: Record<string, unknown>[] };
    expect(components.map(({ name }) => name)).toEqual([
      'debian',
      'libssl3',
      '@scope/x',
      '@scope/x',
      'example.com/x',
    ]);
    expect(new Set(components.map((component) => component['bom-ref'])).size).toBe(components.length);
    expect(components[1]).toMatchObject({
      purl: 'pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12',
      evidence: { occurrences: [{ location: 'var/lib/dpkg/status' }] },
      properties: [
        { name: 'sluice:layer', value: LAYER },
        { name: 'sluice:path', value: 'var/lib/dpkg/status' },
        { name: 'sluice:source-name', value: 'openssl' },
        { name: 'sluice:source-version', value: '3.0.11-1~deb12u2' },
      ],
    });
    expect(components[4]).not.toHaveProperty('version');
  });

  it('is the same for the same image, and its serial number follows from the digest', () => {
    const text = JSON.stringify(toCycloneDx(inventoryOf(), SUBJECT));
    expect(JSON.stringify(toCycloneDx(inventoryOf(), SUBJECT))).toBe(text);
    const other = toCycloneDx(inventoryOf(), { ...SUBJECT, digest: `sha256:${'b'.repeat(64)}` });
    expect(other['serialNumber']).not.toBe(JSON.parse(text).serialNumber);
  });

  it('says whether it is complete', () => {
    const aggregate = (inventory: Inventory): unknown => toCycloneDx(inventory, SUBJECT)['compositions'];
    expect(aggregate(inventoryOf())).toMatchObject([{ aggregate: 'complete' }]);
    const gaps = [{ kind: 'unread', reason: 'app.jar: not read' }] as const;
    expect(aggregate(inventoryOf({ gaps }))).toMatchObject([{ aggregate: 'incomplete' }]);
  });
});
