import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileKeys, parseKeyFile } from '@sluice/blob-storage/encrypted';
import {
  PostgresJobQueue,
  PostgresNotifications,
  PostgresObjectKeyEnvelopes,
} from '@sluice/database/postgres';
import { LocalDispatcher } from '@sluice/jobs/local';
import { REWRAP_JOB, DataKeyRewrapper } from '@sluice/storage-keys';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApi, type TestApi } from '../../api/src/testing/test-api.ts';
import { EXIT } from './exit-codes.ts';
import { type CliResult, runCli } from './testing/run-cli.ts';

describe('sluice storage', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-storage-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  describe('key', () => {
    const file = (): string => join(directory, 'keys.json');
    const key = (line: string): Promise<CliResult> =>
      runCli([...`storage key ${line}`.split(' '), '--file', file(), '-o', 'json']);
    async function states(line: string): Promise<string[]> {
      const { exitCode, stdout, stderr } = await key(line);
      expect(exitCode, stderr).toBe(EXIT.green);
      const keys = JSON.parse(stdout) as { id: string; domain: string | null; state: string }[];
      return keys.map(({ id, domain, state }) => `${id} ${domain} ${state}`);
    }

    it('adds, activates and destroys keys in a file that only its owner can read, and shows no secret', async () => {
      expect(await states('add k1')).toEqual(['k1 null active']);
      expect(await states('add k2')).toEqual(['k1 null active', 'k2 null reading']);
      expect(await states('add a1 --domain acme')).toContain('a1 acme active');
      expect(await states('activate k2')).toEqual(['k1 null reading', 'k2 null active', 'a1 acme active']);
      expect(statSync(file()).mode & 0o777).toBe(0o600);
      const secrets = parseKeyFile(readFileSync(file())).keys.map(({ secret }) => secret?.toString('base64'));
      const { stdout, stderr } = await key('destroy k1 --yes');
      for (const secret of secrets) expect(`${stdout}${stderr}`).not.toContain(secret);
      expect(parseKeyFile(readFileSync(file())).keys[0]).toEqual({
        id: 'k1',
        domain: '',
        state: 'destroyed',
        secret: null,
      });
    });

    it('refuses what would leave the file unusable, and leaves it as it is', async () => {
      const before = readFileSync(file(), 'utf8');
      for (const [line, message] of [
        ['add k2', 'the id "k2" comes twice'],
        ['add UPPER', 'malformed'],
        ['activate k9', 'there is no key "k9"'],
        ['destroy k2 --yes', 'no key without "domain" is active'],
        ['destroy k2', '--yes'],
      ] as const) {
        const { exitCode, stderr } = await key(line);
        expect(exitCode).toBe(EXIT.usage);
        expect(stderr.replaceAll('\\"', '"')).toContain(message);
      }
      expect(readFileSync(file(), 'utf8')).toBe(before);
    });
  });

  describe('with a server', () => {
    const secrets = { k1: randomBytes(32), k2: randomBytes(32), a1: randomBytes(32) };
    const before = FileKeys.of({ keys: [{ id: 'k1', domain: '', state: 'active', secret: secrets.k1 }] });
    const after = FileKeys.of({
      keys: [
        { id: 'k1', domain: '', state: 'reading', secret: secrets.k1 },
        { id: 'k2', domain: '', state: 'active', secret: secrets.k2 },
        { id: 'a1', domain: 'acme', state: 'active', secret: secrets.a1 },
      ],
    });
    let api: TestApi;
    let envelopes: PostgresObjectKeyEnvelopes;
    let environment: Record<string, string>;
    beforeAll(async () => {
      api = await createTestApi({ storageKeys: after });
      await api.app.listen(0, '127.0.0.1');
      const { port } = api.app.getHttpServer().address() as { port: number };
      environment = {
        HOME: directory,
        SLUICE_URL: `http://127.0.0.1:${port}`,
        SLUICE_USER: 'admin',
        SLUICE_PASSWORD: 'admin-password',
      };
      envelopes = new PostgresObjectKeyEnvelopes(api.database.source);
      for (const object of ['one', 'two', 'three']) {
        const wrapped = await before.wrap('', randomBytes(32), object);
        await envelopes.put(object, { ...wrapped, seal: randomBytes(8) });
      }
    });
    afterAll(async () => api[Symbol.asyncDispose]());
    const sluice = (line: string): Promise<CliResult> => runCli(line.split(' '), { environment });

    it('shows what needs which key, rewraps with progress, and shows that the old key may go', async () => {
      const status = await sluice('storage status');
      expect(status.stdout).toMatch(/k1 +\(shared\) +reading +3 +0/);
      const notifications = new PostgresNotifications({ url: api.database.url });
      const dispatcher = new LocalDispatcher(new PostgresJobQueue(api.database.source), notifications);
      const rewrapper = new DataKeyRewrapper(envelopes, after);
      await dispatcher.start({
        [REWRAP_JOB]: async (_payload, context) => {
          await rewrapper.rewrap(context);
        },
      });
      const { exitCode, stdout, stderr } = await sluice('storage rewrap');
      await dispatcher.stop();
      await notifications.close();
      expect(exitCode, stderr).toBe(EXIT.green);
      expect(stdout).toMatch(/rewrapped: +3 of 3 objects/);
      const rotated = await sluice('storage status');
      expect(rotated.stdout).toMatch(/k1 +\(shared\) +reading +0 +0/);
      expect(rotated.stdout).toMatch(/k2 +\(shared\) +active +3 +0/);
    });

    it('gives a project a key domain and takes it back', async () => {
      await sluice('project create acme/app');
      const given = await sluice('storage domain set acme acme');
      expect(given.stdout).toMatch(/a1 +acme +active +0 +0 +acme/);
      expect((await sluice('storage domain set acme other')).stderr).toContain(
        'no active key of the domain "other"',
      );
      const taken = await sluice('storage domain clear acme');
      expect(taken.exitCode, taken.stderr).toBe(EXIT.green);
    });
  });
});
