import { describe, expect, it } from 'vitest';
import { faultsOf } from './check.ts';
import type { Layer } from './rules.ts';
import { importsOf, type WorkspacePackage } from './workspace.ts';

function entry(name: string, layer: Layer, dependencies: string[] = []): WorkspacePackage {
  return {
    name,
    directory: `libs/${name.slice(8)}`,
    layer,
    dependencies: new Set(dependencies),
    references: new Set(),
  };
}

function check(
  from: WorkspacePackage,
  specifier: string,
  to: WorkspacePackage[] = [],
  file = 'src/x.ts',
): string[] {
  const all = new Map([from, ...to].map((each) => [each.name, each]));
  return faultsOf(
    { ...from, references: new Set(to.map((each) => each.directory)) },
    [{ file, line: 1, specifier }],
    all,
  );
}

describe('the import rules', () => {
  const domain = entry('@sluice/domain', 'domain');
  const database = entry('@sluice/database', 'adapter');
  const gate = entry('@sluice/gate', 'feature', [
    '@sluice/domain',
    '@sluice/database',
    '@sluice/scanning',
    '@sluice/api',
  ]);

  it('lets a feature import the domain and the root of an adapter', () => {
    expect(check(gate, '@sluice/domain/policy', [domain])).toEqual([]);
    expect(check(gate, '@sluice/database', [database])).toEqual([]);
  });

  it('refuses a technology of an adapter in a feature', () => {
    expect(check(gate, '@sluice/database/postgres', [database])[0]).toMatch(/only the root of an adapter/);
  });

  it('refuses a feature that imports a feature, and anybody who imports an app', () => {
    expect(check(gate, '@sluice/scanning', [entry('@sluice/scanning', 'feature')])[0]).toMatch(
      /is not allowed/,
    );
    expect(check(gate, '@sluice/api', [entry('@sluice/api', 'app')])[0]).toMatch(/is not allowed/);
    const registry = entry('@sluice/registry', 'app', ['@sluice/api']);
    expect(check(registry, '@sluice/api', [entry('@sluice/api', 'app')])[0]).toMatch(/except standalone/);
  });

  it('lets the runtime open technologies of adapters, and nobody but apps import the runtime', () => {
    const runtime = entry('@sluice/runtime', 'runtime', ['@sluice/database']);
    expect(check(runtime, '@sluice/database/postgres', [database])).toEqual([]);
    const api = entry('@sluice/api', 'app', ['@sluice/runtime']);
    expect(check(api, '@sluice/runtime', [runtime])).toEqual([]);
    expect(check(gate, '@sluice/runtime', [runtime])).toContainEqual(
      expect.stringMatching(/@sluice\/gate \(feature\) -> @sluice\/runtime \(runtime\) is not allowed/),
    );
    expect(check(runtime, '@sluice/api', [api])).toContainEqual(expect.stringMatching(/is not allowed/));
  });

  it('keeps the domain pure: hashing is allowed, files and clocks are not', () => {
    expect(check(domain, 'node:crypto')).toEqual([]);
    expect(check(domain, 'node:fs')[0]).toMatch(/pure/);
  });

  it('refuses what package.json does not declare, except test packages in specs', () => {
    expect(check(gate, 'lru-cache')[0]).toMatch(/not a dependency/);
    expect(check(gate, 'vitest', [], 'src/x.spec.ts')).toEqual([]);
    expect(check(gate, 'vitest')[0]).toMatch(/not a dependency/);
  });

  it('keeps libraries in their home', () => {
    const feature = entry('@sluice/gate', 'feature', ['pg', '@aws-sdk/client-s3']);
    expect(check(feature, 'pg')[0]).toMatch(/only by @sluice\/database/);
    expect(check(feature, '@aws-sdk/client-s3')[0]).toMatch(/only by @sluice\/blob-storage/);
  });

  it('finds every form of import', () => {
    const source = `import { a } from 'a';\nimport 'b';\nexport {\n  c,\n} from 'c';\nconst d = await import('d');\nimport type { E } from "e";\n`;
    expect(importsOf(source)).toEqual([
      { line: 1, specifier: 'a' },
      { line: 2, specifier: 'b' },
      { line: 5, specifier: 'c' },
      { line: 6, specifier: 'd' },
      { line: 7, specifier: 'e' },
    ]);
  });
});
