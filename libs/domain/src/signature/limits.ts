/**
 * Limits on untrusted input. The counts are those of sigstore-go's verifier, the sizes are ours: a signature is a
 * few kilobytes, so whatever is larger is something else.
 */
export const LIMITS = {
  payloadBytes: 256 * 1024,
  bundleBytes: 256 * 1024,
  bundleManifestBytes: 64 * 1024,
  /** Of a `.sig` manifest, which grows with every signature. */
  manifestBytes: 4 * 1024 * 1024,
  /** Pieces of evidence about one subject. */
  signatures: 1000,
  /** Referrers of one subject that are searched for bundles. */
  referrers: 10_000,
  /** cosign reads at most this many layers of a `.sig` manifest. */
  legacyLayers: 1000,
  tlogEntries: 32,
  timestamps: 32,
  subjects: 1024,
  digestsPerSubject: 32,
  /** PEM files of one key. */
  keyBytes: 16 * 1024,
} as const;
