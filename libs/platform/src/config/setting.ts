import { z } from 'zod';

/** One setting: where it comes from, what it may be, and what a reader of the reference page must know. */
export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** Turns the text of a variable, or the YAML value, into the typed value. Its messages name what is allowed. */
  readonly schema: Schema;
  /** One sentence with unit and default. */
  readonly doc: string;
  /** Secrets have a `<NAME>_FILE` form and are never printed. */
  readonly secret?: boolean;
}

/** A named set of settings, keyed by the camelCase name used in `sluice.yaml`. */
export type Settings = Record<string, Setting>;

/** The typed result of loading a set of settings. */
export type ConfigOf<S extends Settings> = { readonly [Key in keyof S]: z.output<S[Key]['schema']> };

/** `publicUrl` -> `SLUICE_PUBLIC_URL` */
export function environmentName(key: string): string {
  return `SLUICE_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** The same setting for a process that cannot do without it. */
export function required<Value>(
  setting: Setting<z.ZodType<Value | undefined>>,
  message: string,
): Setting<z.ZodType<Value>> {
  const schema = setting.schema.transform((value, context) => {
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
  return { ...setting, schema };
}
