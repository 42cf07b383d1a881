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
  readonly authority: string;
  readonly authorityFile: string;
  /** Holds nothing but the authority, as the programs around containers/image want it. */
  readonly authorityDirectory: string;
}

/** One more replica of the registry, whose certificate comes from an authority of our own. */
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
    const authorityDirectory = mkdtempSync(join(tmpdir(), 'sluice-authority-'));
    const certificate = await createCertificate(directory);
    const authorityFile = join(authorityDirectory, 'ca.crt');
    copyFileSync(certificate.certificateFile, authorityFile);
    const process = new AppProcess('registry', {
      port: await freePort(),
      directory,
      environment,
      certificate,
    });
    const { host } = new URL(process.url);
    const place = { host, authority: certificate.pem, authorityFile, authorityDirectory };
    const replica = new SecureReplica(place, process, directory);
    try {
      await process.launch();
    } catch (error) {
      await replica.stop();
      throw error;
    }
    return replica;
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    for (const path of [this.#directory, this.place.authorityDirectory]) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}
