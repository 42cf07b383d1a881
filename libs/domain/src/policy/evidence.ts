import type { Digest } from '../oci/digest.ts';

/** Ascending. `unknown` means that no source rated it, which is not the same as harmless. */
export const SEVERITIES = ['unknown', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One vulnerability in one package version. */
export interface Finding {
  /** Identifier of the advisory that matched, e.g. `DSA-5586-1` or `GHSA-…`. */
  readonly advisory: string;
  /** The same vulnerability under other names (CVE, GHSA, …), without `advisory`. */
  readonly aliases: readonly string[];
  readonly package: {
    readonly purl: string;
    readonly ecosystem: string;
    readonly name: string;
    readonly version: string;
  };
  readonly severity: Severity;
  /** CVSS base score 0 to 10 where a vector was given. */
  readonly score: number | null;
  /** First version that is no longer affected, null when no fix is published. */
  readonly fixedVersion: string | null;
  /** DiffID of the layer that brought the package, null when it cannot be told. */
  readonly layer: string | null;
  /** Path of the package database or manifest in the image. */
  readonly path: string;
}

/**
 * What is known of an artifact's packages.
 *
 * `ok` and `findings` are complete results; `partial` (something was left unread), `unsupported` (nothing we can
 * read), `no-data` (no advisory data for what was found) and `error` are states of ignorance and never "no findings".
 */
export type ScanState = 'ok' | 'findings' | 'partial' | 'unsupported' | 'no-data' | 'error';

export interface ScanEvidence {
  readonly kind: 'scan';
  readonly state: ScanState;
  /** What a reader must know about the state, one sentence each: what was not read and why. */
  readonly reasons: readonly string[];
  readonly packages: number;
  readonly findings: readonly Finding[];
  /** Name and version of what looked, e.g. `sluice-scanner/1`. */
  readonly engine: string;
  /** Revision of the advisory store that was matched against, null when it was empty. */
  readonly advisoryRevision: number | null;
  /** RFC 3339 */
  readonly scannedAt: string;
}

/** One signature found on a digest and what came of checking it. */
export interface SignatureEvidence {
  readonly kind: 'signature';
  readonly format: 'cosign-legacy' | 'sigstore-bundle';
  /** The manifest that carries the signature. */
  readonly source: Digest;
  /** The digest that the signed statement names. */
  readonly signedDigest: Digest | null;
  readonly verified: boolean;
  /** Ids of the trusted keys that verify it; empty unless `verified`. */
  readonly trustedKeys: readonly string[];
  /** Predicate type of an in-toto statement, null for a plain signature. */
  readonly predicateType: string | null;
  /** Why it does not count, null when verified. */
  readonly reason: string | null;
  readonly checkedAt: string;
}

export type Evidence = ScanEvidence | SignatureEvidence;
