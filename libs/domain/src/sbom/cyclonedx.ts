import { createHash } from 'node:crypto';
import type { Inventory, InventoryPackage } from './inventory.ts';

/** What the bill of materials is about. */
export interface SbomSubject {
  /** Digest of the image's manifest. */
  readonly digest: string;
  /** Repository or whatever else names the image to a reader. */
  readonly name: string;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The inventory as a CycloneDX 1.6 bill of materials (ECMA-424), ready for `JSON.stringify`.
 *
 * Deterministic: the same image and inventory give the same document; the serial number follows from the digest, and
 * there is no time in it. What the inventory could not read makes the composition `incomplete`.
 */
export function toCycloneDx(inventory: Inventory, subject: SbomSubject): Json {
  const root = `image:${subject.digest}`;
  const components = [...systemComponents(inventory), ...inventory.packages.map(componentOf)];
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: serialNumberOf(inventory, subject),
    version: 1,
    metadata: {
      tools: {
        components: [
          { type: 'application', name: 'sluice-scanner', version: String(inventory.catalogerVersion) },
        ],
      },
      component: { type: 'container', 'bom-ref': root, name: subject.name, version: subject.digest },
      properties: inventory.gaps.map((gap) => property('gap', gap.reason)),
    },
    components,
    dependencies: [{ ref: root, dependsOn: components.map((component) => component['bom-ref']) }],
    compositions: [
      { aggregate: inventory.gaps.length === 0 ? 'complete' : 'incomplete', assemblies: [root] },
    ],
  };
}

function systemComponents(inventory: Inventory): Json[] {
  const { distribution } = inventory;
  if (distribution === null) return [];
  return [
    {
      type: 'operating-system',
      'bom-ref': `operating-system:${distribution.id}`,
      name: distribution.id,
      ...(distribution.version === null ? {} : { version: distribution.version }),
      description: distribution.name,
    },
  ];
}

function componentOf(package_: InventoryPackage): Json {
  const { name, version, purl, path, layer, source, ownedBy, license } = package_;
  const isOwnSource = source.name === name && source.version === version;
  return {
    type: 'library',
    // The same package may be installed at several places; each is a component of its own.
    'bom-ref': `${purl}#${path}`,
    name,
    ...(version === '' ? {} : { version }),
    ...(license === null ? {} : { licenses: [{ license: { name: license } }] }),
    purl,
    properties: [
      property('layer', layer),
      property('path', path),
      ...(isOwnSource
        ? []
        : [property('source-name', source.name), property('source-version', source.version)]),
      ...(ownedBy === null ? [] : [property('owned-by', ownedBy)]),
    ],
    evidence: { occurrences: [{ location: path }] },
  };
}

/** CycloneDX property taxonomy: names of one's own stand in a namespace of one's own. */
function property(name: string, value: string): Json {
  return { name: `sluice:${name}`, value };
}

/** RFC 9562, 5.8: a UUID of version 8 out of a hash. */
function serialNumberOf(inventory: Inventory, subject: SbomSubject): string {
  const bytes = createHash('sha256')
    .update(`sluice-sbom/${inventory.catalogerVersion}/${subject.digest}`)
    .digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex', 0, 16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return `urn:uuid:${parts.join('-')}`;
}
