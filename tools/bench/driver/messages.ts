import type { Endpoint } from './connection.ts';

/** Header fields of every request of a client. */
export type Fields = Readonly<Record<string, string>>;

export interface RepeatTask {
  readonly kind: 'repeat';
  readonly endpoint: Endpoint;
  readonly connections: number;
  readonly method: 'GET' | 'HEAD';
  /** Taken in turn by every connection. */
  readonly paths: readonly string[];
  readonly fields: Fields;
  readonly limit: { readonly seconds: number } | { readonly requests: number };
}

export interface PushBlobsTask {
  readonly kind: 'push-blobs';
  readonly endpoint: Endpoint;
  /** One blob each, all at once. */
  readonly clients: readonly { readonly repository: string; readonly fields: Fields }[];
  readonly sizeBytes: number;
}

export interface PushImagesTask {
  readonly kind: 'push-images';
  readonly endpoint: Endpoint;
  readonly clients: readonly { readonly repository: string; readonly fields: Fields }[];
  readonly imagesEach: number;
  readonly layerBytes: readonly number[];
}

export interface MixedTask {
  readonly kind: 'mixed';
  readonly endpoint: Endpoint;
  readonly clients: readonly { readonly repository: string; readonly fields: Fields }[];
  /** What is pulled: three of four operations. */
  readonly pulled: { readonly tag: string; readonly digest: string; readonly blobs: readonly string[] };
  readonly pulledFrom: { readonly repository: string; readonly fields: Fields };
  readonly operationsEach: number;
  readonly layerBytes: readonly number[];
}

export interface LargeCommitTask {
  readonly kind: 'large-commit';
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly fields: Fields;
  readonly sizeBytes: number;
}

export type Task = RepeatTask | PushBlobsTask | PushImagesTask | MixedTask | LargeCommitTask;

export interface Outcome {
  readonly seconds: number;
  readonly operations: number;
  readonly bytes: number;
}
