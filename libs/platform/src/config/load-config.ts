import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { nearest } from './nearest.ts';
import { type ConfigOf, environmentName, type Settings } from './setting.ts';

/** One thing that is wrong with the configuration. */
export interface ConfigFault {
  /** The variable or `sluice.yaml: key`. */
  readonly where: string;
  readonly message: string;
}

/** Thrown with every fault at once, so that one correction round is enough. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(
      `the configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${faults.map(line).join('\n')}`,
    );
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

export interface ConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Variables of other programs (the command line tool) that may be set in the same shell. */
  readonly otherPrograms?: readonly string[];
  /** Settings of other processes of Sluice: one file and one environment may serve all of them. */
  readonly elsewhere?: Settings;
  /** Text of `sluice.yaml`, undefined when there is none. */
  readonly yaml?: string | undefined;
}

/**
 * Loads settings from the environment (first) and `sluice.yaml`.
 *
 * @throws ConfigError that lists unknown keys (with the nearest known one), values that are not allowed and secret
 * files that cannot be read.
 */
export function loadConfig<S extends Settings>(settings: S, sources: ConfigSources): ConfigOf<S> {
  const faults: ConfigFault[] = [];
  const raw = {
    ...fromYaml(settings, sources, faults),
    ...fromEnvironment(settings, sources, faults),
  };
  const config: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(settings)) {
    const given = raw[key];
    const result = setting.schema.safeParse(given?.value);
    if (result.success) {
      config[key] = result.data;
      continue;
    }
    const shown = setting.secret || given === undefined ? '' : ` (given: ${JSON.stringify(given.value)})`;
    for (const issue of result.error.issues) {
      faults.push({ where: given?.where ?? environmentName(key), message: `${issue.message}${shown}` });
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return config as ConfigOf<S>;
}

interface Given {
  readonly where: string;
  readonly value: unknown;
}

function fromYaml(
  settings: Settings,
  { yaml: text, elsewhere = {} }: ConfigSources,
  faults: ConfigFault[],
): Record<string, Given> {
  if (text === undefined) return {};
  let document: unknown;
  try {
    document = parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    faults.push({ where: 'sluice.yaml', message: (error as Error).message });
    return {};
  }
  if (document === null) return {};
  if (typeof document !== 'object' || Array.isArray(document)) {
    faults.push({ where: 'sluice.yaml', message: 'expected a mapping of settings at the top level' });
    return {};
  }
  const given: Record<string, Given> = {};
  for (const [key, value] of Object.entries(document)) {
    const where = `sluice.yaml: ${key}`;
    if (Object.hasOwn(settings, key)) given[key] = { where, value };
    else if (!Object.hasOwn(elsewhere, key)) {
      faults.push({ where, message: unknownKey(key, Object.keys({ ...elsewhere, ...settings })) });
    }
  }
  return given;
}

function fromEnvironment(
  settings: Settings,
  sources: ConfigSources,
  faults: ConfigFault[],
): Record<string, Given> {
  const names = variablesOf(settings);
  const elsewhere = variablesOf(sources.elsewhere ?? {});
  const given: Record<string, Given> = {};
  for (const [name, value] of Object.entries(sources.environment)) {
    if (!name.startsWith('SLUICE_') || value === undefined) continue;
    const known = names.get(name);
    if (sources.otherPrograms?.includes(name)) continue;
    if (known === undefined) {
      if (elsewhere.has(name)) continue;
      faults.push({ where: name, message: unknownKey(name, [...names.keys(), ...elsewhere.keys()]) });
    } else if (given[known.key])
      faults.push({ where: name, message: `set ${environmentName(known.key)} or its _FILE form, not both` });
    else if (!known.file) given[known.key] = { where: name, value };
    else {
      try {
        given[known.key] = { where: name, value: readFileSync(value, 'utf8').replace(/\r?\n$/, '') };
      } catch (error) {
        faults.push({ where: name, message: `cannot read the file: ${(error as Error).message}` });
      }
    }
  }
  return given;
}

function variablesOf(settings: Settings): Map<string, { key: string; file: boolean }> {
  const names = new Map<string, { key: string; file: boolean }>();
  for (const [key, setting] of Object.entries(settings)) {
    names.set(environmentName(key), { key, file: false });
    if (setting.secret) names.set(`${environmentName(key)}_FILE`, { key, file: true });
  }
  return names;
}

function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = nearest(key, known);
  return `unknown setting${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`;
}

function line(fault: ConfigFault): string {
  return `  ${fault.where}: ${fault.message}`;
}
