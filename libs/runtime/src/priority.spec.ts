import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const SESSION_FILE = '/proc/self/autogroup';
const PROGRAM = `
  import { readFileSync } from 'node:fs';
  import { getPriority } from 'node:os';
  import { yieldToOthers } from '${new URL('priority.ts', import.meta.url).href}';
  const session = () => /nice (-?\\d+)/.exec(readFileSync('${SESSION_FILE}', 'utf8'))?.[1];
  const before = session();
  yieldToOthers(10);
  console.log(JSON.stringify({ own: getPriority(), isSessionChanged: session() !== before }));
`;
const NODE = [process.execPath, ['--input-type=module', '-e', PROGRAM]] as const;

describe.runIf(isWritable(SESSION_FILE))('a process that yields to others', () => {
  it('says so for its session as well, when that is its own', async () => {
    const child = spawn(...NODE, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    expect(JSON.parse(await text(child.stdout))).toEqual({ own: 10, isSessionChanged: true });
  });

  it('leaves a session that it shares as it is', async () => {
    const { stdout } = await promisify(execFile)(...NODE);
    expect(JSON.parse(stdout)).toEqual({ own: 10, isSessionChanged: false });
  });
});

/** Not on other systems, nor in some sandboxes. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
