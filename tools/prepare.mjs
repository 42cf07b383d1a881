/**
 * Brings a clone to the state in which everything can run: dependencies installed, packages built.
 * Needs Node >= 20 and npm. Does nothing that is already done, and says what takes time.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { requireNode } from './lib/node-version.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'node_modules', '.sluice-install');
/** Dependencies and build take about 700 MB; below this the install would fail half-way. */
const DISK_NEEDED_MB = 1_500;

/** The Node that the project pins, from its own dependencies. */
export const projectNode = join(
  root,
  'node_modules',
  '.bin',
  process.platform === 'win32' ? 'node.cmd' : 'node',
);

/** Installs and builds what is missing or stale. Ends the process with a clear message when it cannot. */
export function prepare() {
  requireNode(20);
  install();
  build();
}

function install() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(projectNode)) return;
  requireWritable();
  requireDisk();
  step('installing dependencies (about a minute, once)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...progressFlags()]);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

function build() {
  const startedAt = Date.now();
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(projectNode, [tsc, '-b'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail('the build failed; the compiler says why above');
  if (Date.now() - startedAt > 2_000) step(`built in ${Math.round((Date.now() - startedAt) / 1_000)} s`);
}

function requireWritable() {
  try {
    accessSync(root, constants.W_OK);
  } catch {
    fail(`${root} is not writable for this user: clone Sluice into a directory of your own`);
  }
}

function requireDisk() {
  const { bavail, bsize } = statfsSync(root);
  const freeMb = Math.floor((bavail * bsize) / 1_048_576);
  if (freeMb < DISK_NEEDED_MB) {
    fail(
      `${root} has ${freeMb} MB free, and the dependencies need about ${DISK_NEEDED_MB} MB: free some space first`,
    );
  }
}

function progressFlags() {
  return process.stderr.isTTY ? ['--progress=true'] : [];
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0) fail(`${command} ${args.join(' ')} ended with code ${status}; its messages stand above`);
}

function step(message) {
  console.error(`sluice: ${message}`);
}

function fail(message) {
  console.error(`sluice: ${message}`);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) prepare();
