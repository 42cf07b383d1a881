import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN } from '../../system/paths.ts';
import type { PeerProgram } from './peer.ts';

/** CNCF distribution on its filesystem driver with the in-memory descriptor cache. */
export const DISTRIBUTION: PeerProgram = {
  name: 'distribution',
  binary: join(BIN, 'registry'),
  configure({ directory, port, transport, mint }) {
    const { tls } = transport;
    const config = {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: join(directory, 'data') },
        cache: { blobdescriptor: 'inmemory' },
      },
      auth: {
        token: {
          realm: mint.realm,
          service: mint.service,
          issuer: mint.issuer,
          jwks: mint.writeJwks(directory),
        },
      },
      http: {
        addr: `127.0.0.1:${port}`,
        secret: 'bench',
        ...(tls === null ? {} : { tls: { certificate: tls.certificateFile, key: tls.keyFile } }),
      },
    };
    // JSON is YAML.
    const file = join(directory, 'config.yml');
    writeFileSync(file, JSON.stringify(config));
    return ['serve', file];
  },
};
