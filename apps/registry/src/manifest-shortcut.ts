import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PulledManifest } from '@sluice/distribution';
import type { Caller } from '@sluice/domain/access';
import type { RepositoryName } from '@sluice/domain/oci';
import { etag } from './http/etag.ts';
import { warningHeader } from './http/warning.ts';

/** What the shortcut asks, all of it in memory: null is "ask the long way". */
export interface ShortcutDependencies {
  /** The caller of a registry token that was verified before and has not expired. */
  knownCaller(authorization: string): Caller | null;
  /** The manifest, when the caller's principal may act and the gate lets it out. */
  recallManifest(repository: RepositoryName, reference: string, caller: Caller): PulledManifest | null;
  /** Whether the caller may make one more request now. */
  isWithinLimits(caller: Caller, request: IncomingMessage): boolean;
  /** Told of every answer, for the metrics. */
  answered(method: 'GET' | 'HEAD', seconds: number): void;
}

/** What is sent for one content, ready to be written. */
interface Answer {
  /** Of the manifest it was made for: repositories may give one content different types. */
  readonly mediaType: string;
  readonly warning: string | null;
  readonly fields: readonly string[];
  /** A text goes out with the head in one piece, bytes would in two; each byte is a character of latin1. */
  readonly text: string;
}

const PREFIX = '/v2/';
const MARKER = '/manifests/';

/**
 * Answers the plainest and most frequent request, the pull of a manifest that is in memory, before the framework sees
 * it. It decides nothing of its own: whatever it does not find ready goes the long way, and gets there what it would
 * have got here.
 */
export class ManifestShortcut {
  readonly #dependencies: ShortcutDependencies;
  /** By content, while that is in memory. */
  readonly #answers = new WeakMap<Buffer, Answer>();

  constructor(dependencies: ShortcutDependencies) {
    this.#dependencies = dependencies;
  }

  /** Answers the request and returns true, or leaves it untouched. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const { method, url = '' } = request;
    if ((method !== 'GET' && method !== 'HEAD') || !url.startsWith(PREFIX)) return false;
    // A repository with a component `manifests` in its name leaves a reference that is none, and goes the long way.
    const marker = url.indexOf(MARKER, PREFIX.length);
    if (marker < 0) return false;
    const startedAt = performance.now();
    const authorization = soleCredential(request.rawHeaders);
    if (authorization === null) return false;
    const caller = this.#dependencies.knownCaller(authorization);
    if (caller === null) return false;

    const name = url.slice(PREFIX.length, marker);
    const granted = caller.access?.find(({ repository }) => repository === name);
    if (granted?.actions.includes('pull') !== true) return false;
    // The name is that of a grant, so it was parsed; a reference that is none, or has a query behind it, is not found.
    const reference = url.slice(marker + MARKER.length);
    const manifest = this.#dependencies.recallManifest(name as RepositoryName, reference, caller);
    if (manifest === null) return false;
    if (!this.#dependencies.isWithinLimits(caller, request)) return false;

    const { fields, text } = this.#answerOf(manifest);
    response.writeHead(200, fields as string[]);
    if (method === 'GET') response.end(text, 'latin1');
    else response.end();
    this.#dependencies.answered(method, (performance.now() - startedAt) / 1_000);
    return true;
  }

  #answerOf(manifest: PulledManifest): Answer {
    const { content, mediaType, warning } = manifest;
    const known = this.#answers.get(content);
    if (known !== undefined && known.mediaType === mediaType && known.warning === warning) return known;
    const fields = [
      'docker-distribution-api-version',
      'registry/2.0',
      'content-type',
      mediaType,
      'docker-content-digest',
      manifest.digest,
      'etag',
      etag(manifest.digest),
      'content-length',
      String(manifest.sizeBytes),
      ...(warning === null ? [] : ['warning', warningHeader(warning)]),
    ];
    const answer = { mediaType, warning, fields, text: content.toString('latin1') };
    this.#answers.set(content, answer);
    return answer;
  }
}

/**
 * The Authorization field, if nothing beside it changes the answer: a condition does, and so does a body, which a pull
 * has none of. It is looked for among the fields as they came, names and values in turn, because asking the object of
 * all of them for what is not there is slow.
 */
function soleCredential(rawHeaders: readonly string[]): string | null {
  let authorization: string | null = null;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    switch (rawHeaders[at]?.toLowerCase()) {
      case 'authorization':
        // As everywhere in Node, the first one counts.
        authorization ??= rawHeaders[at + 1] ?? null;
        break;
      case 'if-none-match':
      case 'content-length':
      case 'transfer-encoding':
        return null;
    }
  }
  return authorization;
}
