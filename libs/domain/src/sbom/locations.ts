/** Where package databases stand in an image, as paths below its root. */
export const DPKG_STATUS = 'var/lib/dpkg/status';
/** Images without a package manager ("distroless") have one file a package here instead. */
export const DPKG_STATUS_DIRECTORY = 'var/lib/dpkg/status.d';
/** apk 3 of distributions with a merged /usr keeps its database below usr. */
export const APK_DATABASES = ['lib/apk/db/installed', 'usr/lib/apk/db/installed'] as const;

/** Files that name the distribution, best first. */
export const DISTRIBUTION_FILES = [
  'etc/os-release',
  'usr/lib/os-release',
  'etc/alpine-release',
  'etc/debian_version',
] as const;

/** Files and directories whose meaning comes from where they stand, so that links on the way to them matter. */
export const WELL_KNOWN_PATHS: readonly string[] = [
  DPKG_STATUS,
  DPKG_STATUS_DIRECTORY,
  ...APK_DATABASES,
  ...DISTRIBUTION_FILES,
];
