/** Checks every package.json and import against the table in rules.ts and prints each edge that breaks it. */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ALLOWED, DOMAIN_BUILTINS, EXTRA_EDGES, HOME_PREFIXES, HOMES, TEST_PACKAGES } from './rules.ts';
import { type ImportEdge, readImports, readPackages, type WorkspacePackage } from './workspace.ts';

/** Faults of a package's imports and declarations, each as one printable line. */
export function faultsOf(
  from: WorkspacePackage,
  edges: readonly ImportEdge[],
  all: ReadonlyMap<string, WorkspacePackage>,
): string[] {
  return [...referenceFaults(from, all), ...edges.flatMap((edge) => edgeFaults(from, edge, all))];
}

function referenceFaults(from: WorkspacePackage, all: ReadonlyMap<string, WorkspacePackage>): string[] {
  return [...from.dependencies].flatMap((name) => {
    const target = all.get(name);
    if (target === undefined || from.references.has(target.directory)) return [];
    return [
      `${from.directory}/tsconfig.json: no reference to ${target.directory}, on which package.json depends`,
    ];
  });
}

function edgeFaults(
  from: WorkspacePackage,
  edge: ImportEdge,
  all: ReadonlyMap<string, WorkspacePackage>,
): string[] {
  const at = `${edge.file}:${edge.line}`;
  const isTest = /\.spec\.ts$|\/src\/testing\/|\/src\/contract\//.test(edge.file);
  if (edge.specifier.startsWith('.')) return [];
  if (edge.specifier.startsWith('node:')) {
    const impure = from.layer === 'domain' && !isTest && !DOMAIN_BUILTINS.has(edge.specifier);
    return impure ? [`${at}: domain code is pure and may not import ${edge.specifier}`] : [];
  }
  const name = packageName(edge.specifier);
  if (isTest && TEST_PACKAGES.has(name)) return [];
  if (name === from.name) return [`${at}: a package imports its own files by path, not as ${edge.specifier}`];
  const faults: string[] = [];
  if (!isTest && !from.dependencies.has(name))
    faults.push(`${at}: ${name} is not a dependency of ${from.name}`);
  const target = all.get(name);
  if (target === undefined) faults.push(...homeFaults(from, name, at));
  else faults.push(...layerFaults(from, target, edge.specifier, at, isTest));
  return faults;
}

function layerFaults(
  from: WorkspacePackage,
  to: WorkspacePackage,
  specifier: string,
  at: string,
  isTest: boolean,
): string[] {
  const edge = `${from.name} (${from.layer}) -> ${specifier} (${to.layer})`;
  if (isTest)
    return to.layer === 'app' && from.layer !== 'app' ? [`${at}: ${edge}: nobody imports an app`] : [];
  if (EXTRA_EDGES[from.name]?.includes(to.name)) return [];
  if (!ALLOWED[from.layer].includes(to.layer)) return [`${at}: ${edge} is not allowed`];
  if (from.layer === 'feature' && specifier !== to.name && to.layer === 'adapter') {
    return [`${at}: ${edge}: a feature imports only the root of an adapter, which holds its port`];
  }
  if (to.layer === 'app' && from.name !== '@sluice/standalone')
    return [`${at}: ${edge}: nobody imports an app except standalone`];
  return [];
}

function homeFaults(from: WorkspacePackage, name: string, at: string): string[] {
  const prefix = Object.keys(HOME_PREFIXES).find((candidate) => name.startsWith(candidate));
  const homes = HOMES[name] ?? (prefix === undefined ? undefined : HOME_PREFIXES[prefix]);
  return homes === undefined || homes.includes(from.name)
    ? []
    : [`${at}: ${name} may be imported only by ${homes.join(', ')}`];
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function main(): void {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const packages = readPackages(root);
  const byName = new Map(packages.map((entry) => [entry.name, entry]));
  let edges = 0;
  const faults = packages.flatMap((entry) => {
    const imports = readImports(root, entry.directory);
    edges += imports.length;
    return faultsOf(entry, imports, byName);
  });
  for (const fault of faults) console.error(fault);
  console.log(`boundaries: ${packages.length} packages, ${edges} imports, ${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
