import { AccessError } from './errors.ts';

/** The user name under which a CI job sends its GitLab `id_token` as password. */
export const CI_USER_NAME = 'gitlab-ci';
export const FIRST_ADMIN_NAME = 'admin';
export const ROBOT_PREFIX = 'robot$';

export const PASSWORD_MIN = 8;
/** Longer ones would only cost hashing time. */
export const PASSWORD_MAX = 512;

/** Names that the token endpoint or the audit log would confuse with something else. */
const RESERVED = new Set([CI_USER_NAME, 'anonymous', 'gitlab-ci-token', 'token', 'oauth2']);

/**
 * A name for a local user: GitLab's grammar in lower case, so that names of both systems can be the same.
 *
 * @throws AccessError name-invalid
 */
export function parseUserName(text: string): string {
  if (!/^[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9_])?$/.test(text) || RESERVED.has(text)) {
    throw new AccessError(
      'name-invalid',
      `invalid user name "${text.slice(0, 160)}": 1 to 255 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit, ` +
        `not ending with "." or "-", and not one of ${[...RESERVED].join(', ')}`,
    );
  }
  return text;
}

/** @throws AccessError name-invalid */
export function parseRobotShortName(text: string): string {
  if (!/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/.test(text)) {
    throw new AccessError(
      'name-invalid',
      `invalid robot name "${text.slice(0, 160)}": 1 to 64 of a-z, 0-9, ".", "_" and "-", beginning and ending with a letter or digit`,
    );
  }
  return text;
}

/** `robot$team/app+deploy`: the user name of a robot, from the path of its node and its short name. */
export function robotName(nodePath: string, shortName: string): string {
  return `${ROBOT_PREFIX}${nodePath}+${shortName}`;
}

/** @throws AccessError password-invalid */
export function checkNewPassword(password: string): void {
  if (password.length < PASSWORD_MIN || password.length > PASSWORD_MAX) {
    throw new AccessError(
      'password-invalid',
      `the password has ${password.length} characters: ${PASSWORD_MIN} to ${PASSWORD_MAX} are allowed`,
    );
  }
}
