import type { Dispatcher } from '@sluice/jobs';
import { HttpListener, type ListenConfig } from './http-listener.ts';
import { startJobs } from './job-workers.ts';
import type { Runtime } from './open-runtime.ts';
import { operationsEndpoint } from './operations.ts';
import type { Background, Part } from './part.ts';

export interface HostConfig extends ListenConfig {
  readonly drainSeconds: number;
}

/** A running process: its parts on one port, with one dispatcher for all their work. */
export class Host {
  readonly #runtime: Runtime;
  readonly #graceMs: number;
  readonly #parts: readonly Part[];
  readonly #dispatcher: Dispatcher | null;
  readonly #background: readonly Background[];
  readonly #listener: HttpListener;

  private constructor(
    runtime: Runtime,
    graceMs: number,
    parts: readonly Part[],
    running: { dispatcher: Dispatcher | null; background: readonly Background[]; listener: HttpListener },
  ) {
    this.#runtime = runtime;
    this.#graceMs = graceMs;
    this.#parts = parts;
    this.#dispatcher = running.dispatcher;
    this.#background = running.background;
    this.#listener = running.listener;
  }

  /**
   * Starts the work of the parts, then listens. What had started when it fails is stopped again; the runtime stays
   * open.
   *
   * @throws StartError
   */
  static async start(config: HostConfig, runtime: Runtime, parts: readonly Part[]): Promise<Host> {
    const { health, logger, metrics } = runtime;
    const undo: (() => Promise<void>)[] = parts.map((part) => async () => part.close?.());
    try {
      const dispatcher = await startWork(runtime, parts);
      undo.push(async () => dispatcher?.stop({ graceMs: 0 }));
      const background = parts.flatMap((part) => part.background ?? []);
      for (const each of background) {
        await each.start();
        undo.push(() => each.stop());
      }
      const endpoints = [
        await operationsEndpoint(health, metrics, logger),
        ...parts.flatMap((part) => part.endpoints ?? []),
      ];
      const listener = await HttpListener.listen(config, endpoints, logger);
      return new Host(runtime, config.drainSeconds * 1_000, parts, { dispatcher, background, listener });
    } catch (error) {
      for (const step of undo.toReversed()) await step();
      throw error;
    }
  }

  /** Finishes running requests and jobs within the drain time, then closes the parts. The runtime stays open. */
  async stop(): Promise<void> {
    this.#runtime.health.drain();
    await this.#listener.drain(this.#graceMs);
    for (const each of this.#background) await each.stop();
    await this.#dispatcher?.stop({ graceMs: this.#graceMs });
    for (const part of this.#parts) await part.close?.();
  }
}

async function startWork(runtime: Runtime, parts: readonly Part[]): Promise<Dispatcher | null> {
  const works = parts.flatMap((part) => part.work ?? []);
  if (works.length === 0) return null;
  return startJobs(runtime, {
    handlers: Object.assign({}, ...works.map((work) => work.handlers)) as (typeof works)[number]['handlers'],
    concurrency: Object.assign({}, ...works.map((work) => work.concurrency ?? {})) as Record<string, number>,
  });
}
