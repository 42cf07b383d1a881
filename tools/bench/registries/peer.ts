import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../system/platform.ts';
import { Connection, type Endpoint } from '../driver/connection.ts';
import { headOf } from '../driver/request.ts';
import { type Action, eventually, type Registry, type Transport } from './registry.ts';
import { TokenMint } from './tokens.ts';

export interface PeerProgram {
  readonly name: string;
  readonly binary: string;
  /** Writes the configuration below `directory` and returns the arguments of the program. */
  configure(parts: {
    readonly directory: string;
    readonly port: number;
    readonly transport: Transport;
    readonly mint: TokenMint;
  }): string[];
}

/** Another registry of one process, with Bearer authentication, on a file system of its own. */
export class Peer implements Registry {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #mint: TokenMint;

  private constructor(
    name: string,
    endpoint: Endpoint,
    child: ChildProcess,
    directory: string,
    mint: TokenMint,
  ) {
    this.name = name;
    this.endpoint = endpoint;
    this.#child = child;
    this.#directory = directory;
    this.#mint = mint;
  }

  static async start(program: PeerProgram, transport: Transport): Promise<Peer> {
    const directory = mkdtempSync(join(tmpdir(), `sluice-bench-${program.name}-`));
    const port = await freePort();
    const mint = new TokenMint();
    const args = program.configure({ directory, port, transport, mint });
    const child = spawn(program.binary, args, { stdio: 'ignore', cwd: directory });
    process.once('exit', () => child.kill('SIGKILL'));
    const endpoint = { host: '127.0.0.1', port, certificate: transport.tls?.pem ?? null };
    const peer = new Peer(program.name, endpoint, child, directory, mint);
    await eventually(`${program.name} starts`, 30, () => peer.#answers());
    return peer;
  }

  servers(): readonly number[] {
    return this.#child.pid === undefined ? [] : [this.#child.pid];
  }

  processes(): readonly number[] {
    return this.servers();
  }

  async authorization(repositories: readonly string[], actions: readonly Action[]): Promise<string> {
    return this.#mint.bearer(repositories, actions);
  }

  async prepare(): Promise<void> {}

  async settle(): Promise<void> {}

  /** What it acknowledges it has done. */
  async rest(): Promise<void> {}

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve));
      // Nothing that it has is needed any more, and graceful ends wait for idle connections.
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    const connection = await Connection.open(this.endpoint);
    try {
      const fields = { authorization: this.#mint.bearer([], []) };
      const answer = await connection.exchange(headOf(this.endpoint, 'GET', '/v2/', fields));
      return answer.status === 200;
    } finally {
      connection.close();
    }
  }
}
