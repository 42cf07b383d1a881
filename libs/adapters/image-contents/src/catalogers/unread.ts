/** Files of package formats that are recognised but not read. Named in the evidence, so that nobody takes them for nothing. */
const PATTERNS: readonly { readonly format: string; readonly pattern: RegExp }[] = [
  {
    format: 'rpm database',
    pattern:
      /^(?:var\/lib\/rpm|usr\/lib\/sysimage\/rpm|usr\/share\/rpm)\/(?:Packages|Packages\.db|rpmdb\.sqlite)$|^var\/lib\/rpmmanifest\/container-manifest-[12]$/,
  },
  { format: 'pacman database', pattern: /^var\/lib\/pacman\/local\/[^/]+\/desc$/ },
  { format: 'Portage database', pattern: /^var\/db\/pkg\/[^/]+\/[^/]+\/PF$/ },
  { format: 'opkg database', pattern: /^(?:var|usr)\/lib\/opkg\/status$/ },
  { format: 'Nix database', pattern: /^nix\/var\/nix\/db\/db\.sqlite$/ },
  { format: 'Chisel manifest', pattern: /^var\/lib\/chisel\/manifest\.wall$/ },
  { format: 'Java archive', pattern: /\.(?:jar|war|ear|par)$/ },
  { format: 'Ruby gem', pattern: /(?:^|\/)specifications\/(?:default\/)?[^/]+\.gemspec$/ },
  { format: 'Composer packages (PHP)', pattern: /(?:^|\/)vendor\/composer\/installed\.json$/ },
  { format: '.NET dependencies', pattern: /\.deps\.json$/ },
  { format: 'Python egg archive', pattern: /(?:site|dist)-packages\/[^/]+\.egg$/ },
  { format: 'Conda package', pattern: /(?:^|\/)conda-meta\/[^/]+\.json$/ },
  { format: 'Bitnami components', pattern: /^opt\/bitnami\/\.bitnami_components\.json$/ },
];

/** The name of a package format that this version cannot read; null for every other path. */
export function unreadFormatOf(path: string): string | null {
  return PATTERNS.find(({ pattern }) => pattern.test(path))?.format ?? null;
}
