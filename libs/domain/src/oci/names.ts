import { OciError } from './errors.ts';

declare const repositoryBrand: unique symbol;
declare const tagBrand: unique symbol;

/** A repository name such as `team/app/web`, already checked against the grammar. */
export type RepositoryName = string & { readonly [repositoryBrand]: true };
/** A tag, already checked against the grammar. */
export type Tag = string & { readonly [tagBrand]: true };

/** distribution-spec, "Pulling manifests": the grammar of `<name>`. */
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** Many clients refuse `host + name` over 255 characters. */
export const REPOSITORY_NAME_MAX = 255;

/** @throws OciError NAME_INVALID */
export function parseRepositoryName(text: string): RepositoryName {
  if (text.length > REPOSITORY_NAME_MAX || !REPOSITORY.test(text)) {
    throw new OciError(
      'NAME_INVALID',
      `invalid repository name "${text.slice(0, 160)}": lower-case letters, digits and . _ __ - between them, ` +
        `components joined by "/", at most ${REPOSITORY_NAME_MAX} characters`,
    );
  }
  return text as RepositoryName;
}

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= REPOSITORY_NAME_MAX && REPOSITORY.test(text);
}

/** @throws OciError TAG_INVALID */
export function parseTag(text: string): Tag {
  if (!isTag(text)) {
    throw new OciError(
      'TAG_INVALID',
      `invalid tag "${text.slice(0, 160)}": 1 to 128 of letters, digits, "_", "." and "-", not starting with "." or "-"`,
    );
  }
  return text;
}

export function isTag(text: string): text is Tag {
  return TAG.test(text);
}
