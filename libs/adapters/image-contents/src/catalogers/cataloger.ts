import type { CatalogedPackage, PackageFormat } from '@sluice/domain/sbom';

/** What a package file says. */
export interface Catalog {
  readonly packages: readonly CatalogedPackage[];
  /** What could not be read, one sentence; null when all was. */
  readonly problem: string | null;
}

/** Reads one kind of package file. Pure and total: malformed content is a problem, never an exception. */
export interface FileCataloger {
  readonly format: PackageFormat;
  /** Larger files are not read, which is a problem of the file. */
  readonly maxBytes: number;
  /** @param path below the root of the image, without a leading slash */
  matches(path: string): boolean;
  /** Null when the file turns out to be none of its kind. */
  catalog(content: Buffer, path: string): Catalog | null;
}

const MIB = 2 ** 20;
/** The largest known have a tenth of it. */
export const DATABASE_MAX_BYTES = 64 * MIB;
export const DATABASE_MAX_PACKAGES = 100_000;
export const TOO_MANY_PACKAGES = `the package database names more than ${DATABASE_MAX_PACKAGES} packages; the rest was left out`;
export const MANIFEST_MAX_BYTES = 4 * MIB;

/** Text of an image for people and for the database: no NUL, no lone surrogates, no control characters. */
export function cleanText(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ')
    .trim();
}
