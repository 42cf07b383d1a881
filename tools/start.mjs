/** `npm start`: prepares the clone, then runs the platform on the project's own Node until it is told to stop. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare, projectNode } from './prepare.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

prepare();
const child = spawn(projectNode, [join(root, 'apps', 'standalone', 'dist', 'main.js')], { stdio: 'inherit' });
// The terminal sends SIGINT to the whole group; SIGTERM reaches only this process and is passed on. That npm's reaches it
// is what `exec` is for in package.json: npm signals its shell, which would end and pass nothing on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
