import type { ArtifactKind } from '../oci/classify.ts';
import type { PolicyDocument } from './document.ts';
import type { Evidence, ScanEvidence, SignatureEvidence } from './evidence.ts';
import type { VerdictState } from './verdict.ts';

/** A policy that holds for an artifact. */
export interface AttachedPolicy {
  readonly name: string;
  readonly version: number;
  /** Path of the node that it is attached to, or `installation`. */
  readonly scope: string;
  /** Null when what is stored cannot be read; it then refuses, because nobody knows what it demands. */
  readonly document: PolicyDocument | null;
}

/** A stored piece of evidence about one digest. */
export interface EvidenceRecord<Kind extends Evidence = Evidence> {
  readonly id: string;
  readonly digest: string;
  readonly evidence: Kind;
}

/** A key that is trusted where the artifact lies, now. */
export interface TrustedKey {
  readonly id: string;
  readonly name: string;
  /** How deep in the tree the node lies that trusts it: 1 for a topmost group. */
  readonly depth: number;
  /** Equal for equal keys, under whatever names they were added. */
  readonly fingerprint: string;
}

/** One entry of an index. */
export interface ChildFacts {
  readonly digest: string;
  /** E.g. `linux/arm64`; null when the index does not say. `unknown/unknown` marks BuildKit's attestations. */
  readonly platform: string | null;
  /** Null while the repository does not have it. */
  readonly stored: {
    readonly kind: ArtifactKind;
    readonly state: VerdictState;
    readonly summary: string | null;
  } | null;
}

/** What a verdict depends on beside policies and evidence. */
export interface EvaluationContext {
  readonly artifact: { readonly repository: string; readonly digest: string; readonly kind: ArtifactKind };
  /**
   * Whether work is under way that may bring evidence: a scan of the artifact, the matching of what is known of all
   * artifacts against new advisory data, the verification of signatures on the artifact or on what covers it.
   */
  readonly expected: { readonly scan: boolean; readonly rematch: boolean; readonly signature: boolean };
  /** Whether advisory data was ever loaded into this installation, also if it was removed again. */
  readonly advisoriesLoaded: boolean;
  /** Digests of the indexes of the repository that name the artifact, however deep: a signature on them covers it. */
  readonly parents: readonly string[];
  /** What the artifact names, when it is an index. */
  readonly children: readonly ChildFacts[];
  readonly trustedKeys: readonly TrustedKey[];
}

/** The part of the evidence that concerns one artifact, in an order that does not depend on how it was given. */
export interface Facts {
  readonly context: EvaluationContext;
  readonly scans: readonly EvidenceRecord<ScanEvidence>[];
  /** Of the artifact and of the indexes that name it. */
  readonly signatures: readonly EvidenceRecord<SignatureEvidence>[];
}

export function selectFacts(evidence: readonly EvidenceRecord[], context: EvaluationContext): Facts {
  const own = context.artifact.digest;
  const covering = new Set([own, ...context.parents]);
  const ordered = [...evidence].sort(byId);
  return {
    context,
    scans: ordered.filter(isScan).filter(({ digest }) => digest === own),
    signatures: ordered.filter(isSignature).filter(({ digest }) => covering.has(digest)),
  };
}

function isScan(record: EvidenceRecord): record is EvidenceRecord<ScanEvidence> {
  return record.evidence.kind === 'scan';
}

function isSignature(record: EvidenceRecord): record is EvidenceRecord<SignatureEvidence> {
  return record.evidence.kind === 'signature';
}

function byId(left: EvidenceRecord, right: EvidenceRecord): number {
  return left.id < right.id ? -1 : left.id > right.id ? 1 : 0;
}
