import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiError } from './problem.ts';

/** Prefixes of the ids that the API shows. The database knows nothing of them. */
export const ID_PREFIXES = {
  group: 'grp',
  project: 'prj',
  user: 'usr',
  robot: 'rob',
  workload: 'wkl',
  grant: 'gra',
  token: 'tok',
  secret: 'sec',
  binding: 'cib',
  repository: 'rep',
  artifact: 'art',
  verdict: 'ver',
  policy: 'pol',
  trustedKey: 'key',
  denial: 'den',
  job: 'job',
  evidence: 'evd',
  audit: 'aud',
} as const;
export type ResourceKind = keyof typeof ID_PREFIXES;

/** `prj_0192f0c1…`: the prefix and the 32 hex digits of the UUID. */
export function encodeId(kind: ResourceKind, uuid: string): string {
  return `${ID_PREFIXES[kind]}_${uuid.replaceAll('-', '')}`;
}

/** The UUID in an id of this kind, null when the text is no such id. */
export function decodeId(kind: ResourceKind, text: string): string | null {
  const prefix = `${ID_PREFIXES[kind]}_`;
  // Hyphens stand where a UUID has them, or nowhere.
  const hex = text.slice(prefix.length).replace(/^(.{8})-(.{4})-(.{4})-(.{4})-(.{12})$/, '$1$2$3$4$5');
  if (!text.startsWith(prefix) || !/^[0-9a-f]{32}$/.test(hex)) return null;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The same answer for an id that was never given out, one of another kind, and one the caller may not know of. */
export function notFound(kind: ResourceKind): ApiError {
  return new ApiError('not-found', `there is no such ${kind}`);
}

/** `@Param('projectId', new IdPipe('project'))`: the UUID, or 404 for anything else. */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  readonly #kind: ResourceKind;

  constructor(kind: ResourceKind) {
    this.#kind = kind;
  }

  transform(text: string): string {
    const uuid = decodeId(this.#kind, text);
    if (uuid === null) throw notFound(this.#kind);
    return uuid;
  }
}
