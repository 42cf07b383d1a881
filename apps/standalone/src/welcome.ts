/** What a first look at the terminal must answer: where is it, who am I, what do I type next. */
export interface Greeting {
  readonly publicUrl: string;
  /** Only when the first admin was created just now with a generated password. */
  readonly generatedPassword: string | null;
  readonly dataDirectory: string;
}

export function welcome({ publicUrl, generatedPassword, dataDirectory }: Greeting): string {
  const lines = ['', `Sluice is ready: ${publicUrl}   (data in ${dataDirectory}, Ctrl-C stops it)`];
  if (generatedPassword !== null) {
    lines.push(`First admin: admin / ${generatedPassword}   (shown once; keep it)`);
  }
  lines.push(`Next: npx sluice login ${publicUrl} -u admin`, '');
  return lines.join('\n');
}
