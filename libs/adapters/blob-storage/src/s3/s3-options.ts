/** Where the objects of a store lie and how it is talked to. */
export interface S3Options {
  readonly bucket: string;
  /** Put before every key, without slashes at its ends; empty for none. */
  readonly prefix: string;
  /** `http(s)://host:port`; undefined for Amazon's own. */
  readonly endpoint: string | undefined;
  /** Where clients reach the store, for signed URLs; undefined when they use {@link endpoint}. */
  readonly publicEndpoint?: string | undefined;
  readonly region: string;
  /** Whether the bucket is the first part of the path (what every store understands) or of the host name. */
  readonly pathStyle: boolean;
  readonly accessKey: string;
  readonly secretKey: string;
  /** How long the store may take to answer, or to send the next bytes of an object. */
  readonly timeoutSeconds?: number;
  /** Size of the first 1,000 parts of an upload, at least 5 MiB. */
  readonly partBytes?: number;
}

export const DEFAULT_TIMEOUT_SECONDS = 20;

/** Whether bytes are protected on their way by TLS. */
export function isProtected({ endpoint }: Pick<S3Options, 'endpoint'>): boolean {
  return endpoint === undefined || endpoint.startsWith('https:');
}
