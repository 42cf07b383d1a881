import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppProcess } from '../../distributed/app-process.ts';
import { createCertificate } from '../../lib/certificate.ts';
import type { Cluster } from '../cluster.ts';
import { freePort } from '../platform.ts';

/** Where the registry speaks HTTPS, and who vouches for it. */
export interface SecurePlace {
  /** By IP address: several clients take `localhost` for a registry without TLS. */
  readonly host: string;
  /** PEM of the certificate authority, which no client trusts of itself. */
  readonly ca: string;
  readonly caFile: string;
  /** Holds nothing but the CA, as the programs around containers/image want it. */
  readonly caDirectory: string;
}

/** One more replica of the registry, whose certificate comes from a CA of our own. */
export class SecureReplica {
  readonly place: SecurePlace;
  readonly #process: AppProcess;
  readonly #directory: string;

  private constructor(place: SecurePlace, process: AppProcess, directory: string) {
    this.place = place;
    this.#process = process;
    this.#directory = directory;
  }

  static async start({ environment }: Cluster): Promise<SecureReplica> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-secure-'));
    const caDirectory = mkdtempSync(join(tmpdir(), 'sluice-ca-'));
    const certificate = await createCertificate(directory);
    const caFile = join(caDirectory, 'ca.crt');
    copyFileSync(certificate.certificateFile, caFile);
    const process = new AppProcess('registry', {
      port: await freePort(),
      directory,
      environment,
      certificate,
    });
    const { host } = new URL(process.url);
    const place = { host, ca: certificate.pem, caFile, caDirectory };
    const replica = new SecureReplica(place, process, directory);
    try {
      await process.launch();
    } catch (error) {
      await replica.stop();
      throw error;
    }
    return replica;
  }

  /** What it has logged, for a failed check. */
  get output(): string {
    return `--- ${this.#process.name} ${this.#process.url}\n${this.#process.output.slice(-4_000)}`;
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    for (const path of [this.#directory, this.place.caDirectory]) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}
