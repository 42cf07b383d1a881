#!/usr/bin/env node
/**
 * Starts the `sluice` command. Plain JavaScript that old versions of Node can parse: where the caller's Node is too
 * old for the command, it runs on the one that the project brings along.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MINIMUM_NODE = 26;
const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', 'dist', 'main.js');

if (!existsSync(main)) {
  console.error('sluice: the command is not built yet: run `npm run prepare:all` in the clone first');
  process.exit(1);
}

if (Number(process.versions.node.split('.')[0]) >= MINIMUM_NODE) {
  await import(new URL('../dist/main.js', import.meta.url));
} else {
  const node = projectNode();
  if (node === undefined) {
    console.error(
      `sluice: needs Node ${MINIMUM_NODE} or newer (this is ${process.versions.node}), and the project's own one is not installed: run \`npm run prepare:all\` in the clone first`,
    );
    process.exit(1);
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends SIGINT to the whole group; SIGTERM reaches only this process and is passed on.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(`sluice: cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal === 'SIGINT' ? 130 : (code ?? 1)));
}

/** The binary of the npm package `node`, searched upwards as Node itself searches packages. */
function projectNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (let directory = here; ; directory = dirname(directory)) {
    const candidate = join(directory, 'node_modules', 'node', 'bin', name);
    if (existsSync(candidate)) return candidate;
    if (dirname(directory) === directory) return undefined;
  }
}
