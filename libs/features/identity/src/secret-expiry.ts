import { AccessError } from '@sluice/domain/access';

const DAY_MS = 86_400_000;
/** Secrets that never end are the ones that leak: a year and a day, so that "in one year" fits. */
export const SECRET_DAYS_MAX = 366;

/**
 * When a new secret ends.
 *
 * @throws AccessError expiry-invalid when the wish is in the past or beyond the maximum
 */
export function secretExpiry(wanted: Date | undefined, defaultDays: number, now: Date): Date {
  if (wanted === undefined) return new Date(now.getTime() + defaultDays * DAY_MS);
  if (wanted.getTime() <= now.getTime() || wanted.getTime() > now.getTime() + SECRET_DAYS_MAX * DAY_MS) {
    throw new AccessError(
      'expiry-invalid',
      `expiry ${wanted.toISOString()}: it must be in the future and at most ${SECRET_DAYS_MAX} days from now`,
    );
  }
  return wanted;
}
