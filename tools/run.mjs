/** Prepares the clone, then runs a TypeScript tool on the project's own Node: `node tools/run.mjs <script> [arguments]`. */
import { spawn } from 'node:child_process';
import { prepare, projectNode } from './prepare.mjs';

prepare();
const child = spawn(projectNode, process.argv.slice(2), { stdio: 'inherit' });
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
