import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Layer } from './rules.ts';

export interface WorkspacePackage {
  readonly name: string;
  /** Relative to the root. */
  readonly directory: string;
  readonly layer: Layer;
  readonly dependencies: ReadonlySet<string>;
  /** Workspace directories that its tsconfig.json refers to. */
  readonly references: ReadonlySet<string>;
}

export interface ImportEdge {
  readonly file: string;
  readonly line: number;
  /** As written: `./x.ts`, `node:fs`, `@sluice/domain/oci`, `fastify`. */
  readonly specifier: string;
}

export function readPackages(root: string): WorkspacePackage[] {
  const { workspaces } = readJson<{ workspaces: string[] }>(join(root, 'package.json'));
  return globSync(
    workspaces.map((pattern) => `${pattern}/package.json`),
    { cwd: root },
  )
    .toSorted()
    .map((path) => {
      const directory = dirname(path);
      const manifest = readJson<{
        name: string;
        sluice: { tag: Layer };
        dependencies?: Record<string, string>;
      }>(join(root, path));
      const tsconfig = readJson<{ references?: { path: string }[] }>(join(root, directory, 'tsconfig.json'));
      return {
        name: manifest.name,
        directory,
        layer: manifest.sluice.tag,
        dependencies: new Set(Object.keys(manifest.dependencies ?? {})),
        references: new Set(
          (tsconfig.references ?? []).map((reference) =>
            relative(root, join(root, directory, reference.path)),
          ),
        ),
      };
    });
}

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;

export function readImports(root: string, directory: string): ImportEdge[] {
  return globSync('src/**/*.{ts,tsx}', { cwd: join(root, directory) })
    .toSorted()
    .flatMap((path) => {
      const file = join(directory, path);
      return importsOf(readFileSync(join(root, file), 'utf8')).map((edge) => ({ file, ...edge }));
    });
}

/** The import specifiers of a source text with their lines. */
export function importsOf(source: string): { line: number; specifier: string }[] {
  return [...source.matchAll(IMPORT)].map((match) => ({
    line: source.slice(0, match.index + match[0].length).split('\n').length,
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
  }));
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
