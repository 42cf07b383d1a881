import type { ChildProcess } from 'node:child_process';
import { adopt } from '../lib/adopt.ts';

const START_SECONDS = 90;
const STOP_SECONDS = 45;
const OUTPUT_CHARACTERS = 200_000;

/**
 * A server that was started as a child: it ends with this process at the latest. Started `detached`, so that Ctrl-C in
 * the terminal does not reach it: it is told to end when its turn has come.
 */
export class Daemon {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #stopSignal: NodeJS.Signals;
  readonly #ended: Promise<void>;
  #output = '';

  /** @param stopSignal the signal that ends it in good order */
  constructor(name: string, child: ChildProcess, stopSignal: NodeJS.Signals = 'SIGTERM') {
    this.name = name;
    this.#child = child;
    this.#stopSignal = stopSignal;
    adopt(child);
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        this.#output += String(error);
        resolve();
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARACTERS);
      });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it has said so far. */
  get output(): string {
    return this.#output;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined;
  }

  /** Resolves when the condition holds; throws when the server ends before, or after 90 s. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + START_SECONDS * 1_000;
    for (;;) {
      if (this.hasEnded) throw new Error(`${this.name} ended at its start:\n${this.#output.slice(-4_000)}`);
      if (await condition()) return;
      if (Date.now() > deadline) {
        throw new Error(`${this.name} is not ready after ${START_SECONDS} s:\n${this.#output.slice(-4_000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Resolves when it has ended; false when it still runs at the deadline. */
  async ended(timeoutMs: number): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), timeoutMs);
    try {
      return await Promise.race([this.#ended.then(() => true), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** `kill -9` */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Ends it in good order, and by force when that takes too long. */
  async stop(): Promise<void> {
    if (this.hasEnded) return;
    this.#child.kill(this.#stopSignal);
    if (await this.ended(STOP_SECONDS * 1_000)) return;
    await this.kill();
    throw new Error(`${this.name} did not end within ${STOP_SECONDS} s:\n${this.#output.slice(-4_000)}`);
  }
}
