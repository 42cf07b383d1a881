import type { CatalogStore } from '@sluice/database';
import type { BlobService, ManifestService, UploadService } from '@sluice/distribution';
import type { Caller, RepositoryAction } from '@sluice/domain/access';
import type { ChallengeSettings } from './http/challenge.ts';
import type { BodyPace } from './http/request-body.ts';

/** Finds out who calls. `Authentication` of features/identity. */
export interface DataPlaneAuthentication {
  /**
   * Checks the credential by itself; the epoch of a token's principal is left to the caller's own query. No header:
   * anonymous. Counts the request for its address and its principal.
   *
   * @throws AccessError credentials-*, rate-limited
   */
  authenticate(authorization: string | undefined, address: string): Promise<Caller>;

  /** The caller of a registry token that was verified before, without asking anybody; null when there is none. */
  known(authorization: string): Caller | null;

  /** Whether the caller's principal may still act and has lost no right since it was authenticated. */
  holds(caller: Caller): Promise<boolean>;

  /** Counts a request of a {@link known} caller; false when it is one too many. */
  isWithinLimits(caller: Caller, address: string): boolean;

  /** As {@link authenticate}, and the epoch is checked as well. */
  authenticateFresh(authorization: string | undefined, address: string): Promise<Caller>;
}

/** Decides what somebody without a token may do. `AccessControl` of features/identity. */
export interface DataPlaneAccess {
  /** Which of the asked actions the caller has; none for a repository that no project owns. */
  repositoryRights(
    caller: Caller,
    repository: string,
    asked: readonly RepositoryAction[],
  ): Promise<{ readonly actions: readonly RepositoryAction[] }>;
}

export interface DataPlaneDependencies {
  readonly authentication: DataPlaneAuthentication;
  readonly access: DataPlaneAccess;
  readonly repositories: Pick<CatalogStore, 'repositoryNames'>;
  readonly manifests: ManifestService;
  readonly blobs: BlobService;
  readonly uploads: UploadService;
  readonly challenge: ChallengeSettings;
  /** How slowly a client may send a body; {@link DEFAULT_PACE} by default. */
  readonly pace?: BodyPace;
  /** For how long a client may read nothing of a blob; {@link DEFAULT_UNREAD_MS} by default. */
  readonly unreadMs?: number;
}

/** A minute without a kilobyte is no upload but a held connection. */
export const DEFAULT_PACE: BodyPace = { windowMs: 60_000, minimumBytes: 1_024 };

/**
 * A client that has read nothing for so long does not come back, and holds a file and buffers. A proxy that has put away as
 * much as it likes reads nothing for minutes while its own client catches up.
 */
export const DEFAULT_UNREAD_MS = 10 * 60_000;
