import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './platform.ts';
import { attempt, run } from './run.ts';

export interface CephOptions {
  readonly directory: string;
  /** Where the gateway listens. */
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * A cluster of one monitor, one OSD that keeps everything in memory, and a gateway. None of them needs to be root or a
 * configuration outside `directory`. `start` is called with each daemon in its order.
 */
export async function startCephDaemons(
  options: CephOptions,
  start: (program: string, args: readonly string[]) => unknown,
): Promise<void> {
  const { directory } = options;
  const conf = join(directory, 'ceph.conf');
  const keyring = join(directory, 'keyring');
  const monmap = join(directory, 'monmap');
  const fsid = randomUUID();
  const osd = randomUUID();
  for (const made of ['mon', 'osd', 'run']) mkdirSync(join(directory, made));
  const address = `[v2:127.0.0.1:${await freePort()},v1:127.0.0.1:${await freePort()}]`;
  writeFileSync(conf, configuration(options, fsid, address));

  const caps = (...names: string[]): string[] => names.flatMap((name) => ['--cap', name, 'allow *']);
  const key = (name: string, ...names: string[]): Promise<unknown> =>
    run('ceph-authtool', [keyring, '--gen-key', '-n', name, ...caps(...names)]);
  await run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', ...caps('mon')]);
  await key('client.admin', 'mon', 'osd', 'mgr', 'mds');
  await key('client.rgw', 'mon', 'osd');
  await key('osd.0', 'mon', 'osd');
  await run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', address, monmap]);

  const common = ['-c', conf, '--keyring', keyring];
  await run('ceph-mon', [...common, '--mkfs', '-i', 'a', '--monmap', monmap]);
  start('ceph-mon', [...common, '-i', 'a', '-f']);
  await run('ceph', [...common, '--connect-timeout', '30', 'osd', 'new', osd]);
  await run('ceph-osd', [...common, '-i', '0', '--mkfs', '--osd-uuid', osd]);
  start('ceph-osd', [...common, '-i', '0', '-f']);
  await createUser(common, options);
  start('radosgw', [...common, '-n', 'client.rgw', '-f']);
}

/** The first call also makes the pools; it waits for the OSD. */
async function createUser(common: readonly string[], { accessKey, secretKey }: CephOptions): Promise<void> {
  const user = ['--uid', 'sluice', '--display-name', 'sluice'];
  const keys = ['--access-key', accessKey, '--secret-key', secretKey];
  const args = [...common, 'user', 'create', ...user, ...keys];
  const { code, stderr } = await attempt('radosgw-admin', args, { timeoutSeconds: 90 });
  if (code !== 0) throw new Error(`radosgw-admin does not make a user: ${stderr.slice(-2_000)}`);
}

function configuration({ directory, port }: CephOptions, fsid: string, address: string): string {
  return `[global]
fsid = ${fsid}
mon host = ${address}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd objectstore = memstore
memstore device bytes = 6442450944
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd class load list = *
osd class default list = *
run dir = ${directory}/run
admin socket = ${directory}/run/$name.$pid.asok
log file = ${directory}/$name.log
pid file = ${directory}/run/$name.pid

[mon.a]
mon data = ${directory}/mon

[osd.0]
osd data = ${directory}/osd
public addr = 127.0.0.1
cluster addr = 127.0.0.1

[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw data = ${directory}
`;
}
