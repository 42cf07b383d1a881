import { join } from 'node:path';
import { BIN } from '../system/paths.ts';
import { type Outcome, attempt, run } from '../system/run.ts';

/** Runs the real cosign in a home of its own, against registries on this machine, with no service of the internet. */
export class Cosign {
  readonly #home: string;
  readonly #password: string;

  /** @param home an empty directory; keys and the signing configuration are written there */
  constructor(home: string, password: string) {
    this.#home = home;
    this.#password = password;
  }

  /** Makes `<name>.key` and `<name>.pub`: an own P-256 pair, or from a PEM key of OpenSSL's form. */
  async createKey(name: string, pem?: string): Promise<void> {
    if (pem === undefined) await this.run(['generate-key-pair', '--output-key-prefix', name]);
    else await this.run(['import-key-pair', '--key', pem, '--output-key-prefix', name]);
  }

  /** Signs into the `.sig` tag. */
  async signLegacy(reference: string, key: string, ...more: string[]): Promise<void> {
    const old = ['--new-bundle-format=false', '--use-signing-config=false', '--tlog-upload=false'];
    await this.run(['sign', '--key', `${key}.key`, ...old, '--allow-http-registry', ...more, reference]);
  }

  /** Signs into a bundle referrer. */
  async signBundle(reference: string, key: string, ...more: string[]): Promise<void> {
    const config = await this.#signingConfig();
    await this.run(['sign', '--key', `${key}.key`, ...config, '--allow-http-registry', ...more, reference]);
  }

  /** Attaches a statement of another type as a bundle referrer. */
  async attest(reference: string, key: string, type: string, predicate: string): Promise<void> {
    const config = await this.#signingConfig();
    const what = ['--type', type, '--predicate', predicate];
    await this.run(['attest', '--key', `${key}.key`, ...what, ...config, '--allow-http-registry', reference]);
  }

  /** Signs a file; the bundle holds a message signature. */
  async signBlob(file: string, key: string, bundle: string): Promise<void> {
    const config = await this.#signingConfig();
    await this.run(['sign-blob', '--key', `${key}.key`, '--bundle', bundle, ...config, '--yes', file]);
  }

  /** What `cosign verify --key` says; code 0 is "verified". */
  verify(reference: string, publicKey: string, format: 'legacy' | 'bundle'): Promise<Outcome> {
    const form = format === 'legacy' ? ['--new-bundle-format=false'] : [];
    const options = ['--key', publicKey, '--insecure-ignore-tlog', '--allow-http-registry', ...form];
    return attempt(join(BIN, 'cosign'), ['verify', ...options, reference], this.#options());
  }

  run(args: readonly string[]): Promise<Outcome> {
    return run(join(BIN, 'cosign'), args, this.#options());
  }

  /** A signing configuration without any service: cosign asks its update server for one otherwise. */
  async #signingConfig(): Promise<readonly string[]> {
    const file = join(this.#home, 'signing-config.json');
    await this.run(['signing-config', 'create', '--out', file]);
    return ['--signing-config', file];
  }

  #options(): { cwd: string; env: NodeJS.ProcessEnv } {
    const { PATH } = process.env;
    return { cwd: this.#home, env: { PATH, HOME: this.#home, COSIGN_PASSWORD: this.#password } };
  }
}
