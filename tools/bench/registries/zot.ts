import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN } from '../../system/paths.ts';
import type { PeerProgram } from './peer.ts';

const CANDIDATES = [process.env['SLUICE_BENCH_ZOT'], join(BIN, 'zot')];
// Sluice refuses to start with settings that it does not know.
delete process.env['SLUICE_BENCH_ZOT'];

/** zot without extensions, told to sync what it acknowledges. Undefined when there is no binary of it. */
export function zot(): PeerProgram | undefined {
  const binary = CANDIDATES.find((path) => path !== undefined && existsSync(path));
  if (binary === undefined) return undefined;
  return {
    name: 'zot',
    binary,
    configure({ directory, port, transport, mint }) {
      const { tls } = transport;
      const config = {
        distSpecVersion: '1.1.1',
        storage: { rootDirectory: join(directory, 'data'), commit: true },
        http: {
          address: '127.0.0.1',
          port: String(port),
          ...(tls === null ? {} : { tls: { cert: tls.certificateFile, key: tls.keyFile } }),
          auth: {
            bearer: { realm: mint.realm, service: mint.service, cert: mint.writePem(directory) },
          },
        },
        log: { level: 'error', output: '/dev/null' },
      };
      const file = join(directory, 'config.json');
      writeFileSync(file, JSON.stringify(config));
      return ['serve', file];
    },
  };
}
