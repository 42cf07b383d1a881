/** One entry to be written. What is left out gets a plain value. */
export interface TarEntrySpec {
  readonly name: string | Buffer;
  /** `0` file, `1` hard link, `2` symbolic link, `5` directory, or any other type flag. */
  readonly type?: string;
  readonly content?: string | Buffer;
  readonly linkName?: string;
  /** Written into the header in place of the content's own size. */
  readonly sizeBytes?: number;
  /** Extended header records before the entry. */
  readonly pax?: Readonly<Record<string, string>>;
  /** ustar (default), or the older forms without prefix. */
  readonly magic?: 'ustar' | 'gnu' | 'v7';
  readonly prefix?: string;
  /** Changes the finished header, before nothing: also the checksum can be broken. */
  readonly patch?: (header: Buffer) => void;
}

/** Writes a tar archive for tests, malformed where the test wants it. */
export function buildTar(entries: readonly TarEntrySpec[], options: { end?: boolean } = {}): Buffer {
  const end = options.end === false ? [] : [Buffer.alloc(1024)];
  return Buffer.concat([...entries.flatMap(entryBlocks), ...end]);
}

/** A file, for the many tests that need no more. */
export function file(name: string, content: string | Buffer = ''): TarEntrySpec {
  return { name, content };
}

export function directory(name: string): TarEntrySpec {
  return { name, type: '5' };
}

export function symlink(name: string, linkName: string): TarEntrySpec {
  return { name, type: '2', linkName };
}

export function hardLink(name: string, linkName: string): TarEntrySpec {
  return { name, type: '1', linkName };
}

/** GNU's way of giving the next entry a name of any length (`L`) or a link target (`K`). */
export function gnuLong(type: 'L' | 'K', text: string): TarEntrySpec {
  return { name: '././@LongLink', type, content: `${text}\0`, magic: 'gnu' };
}

function entryBlocks(entry: TarEntrySpec): Buffer[] {
  const content = Buffer.from(entry.content ?? '');
  const pax =
    entry.pax === undefined ? [] : entryBlocks({ name: 'pax', type: 'x', content: paxContent(entry.pax) });
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return [...pax, headerOf(entry, entry.sizeBytes ?? content.length), content, padding];
}

export function paxContent(records: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const body = Buffer.from(` ${key}=${value}\n`);
      let length = body.length + 1;
      while (String(length).length + body.length !== length) length = String(length).length + body.length;
      return Buffer.concat([Buffer.from(String(length)), body]);
    }),
  );
}

function headerOf(entry: TarEntrySpec, sizeBytes: number): Buffer {
  const header = Buffer.alloc(512);
  Buffer.from(entry.name).copy(header, 0, 0, 100);
  header.write('0000755\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write(entry.type ?? '0', 156, 'latin1');
  header.write(entry.linkName ?? '', 157, 100, 'utf8');
  if (entry.magic === 'gnu') header.write('ustar  \0', 257, 'latin1');
  else if (entry.magic !== 'v7') header.write('ustar\x0000', 257, 'latin1');
  header.write(entry.prefix ?? '', 345, 155, 'utf8');
  writeChecksum(header);
  entry.patch?.(header);
  return header;
}

export function writeChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
