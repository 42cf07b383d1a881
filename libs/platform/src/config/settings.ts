import { resolve } from 'node:path';
import { z } from 'zod';
import { BlobStoreFault, parseBlobStore } from './blob-store.ts';
import type { Settings } from './setting.ts';

const port = z.coerce
  .number({ error: 'expected a port number from 0 to 65535' })
  .int('expected a port number from 0 to 65535')
  .min(0, 'expected a port number from 0 to 65535')
  .max(65_535, 'expected a port number from 0 to 65535');

const httpUrl = z
  .string()
  .refine(
    (text) => /^https?:$/.test(urlOf(text)?.protocol ?? ''),
    'expected a URL such as https://sluice.example.com',
  )
  .transform((text) => text.replace(/\/+$/, ''));

/** YAML has booleans, variables have words. */
const yesOrNo = z
  .union([z.boolean(), z.enum(['true', 'false'])], { error: 'expected true or false' })
  .transform((value) => value === true || value === 'true');

function seconds(minimum: number, maximum: number) {
  const message = `expected a number of seconds from ${minimum} to ${maximum}`;
  return z.coerce.number({ error: message }).min(minimum, message).max(maximum, message);
}

const perSecond = z.coerce
  .number({ error: 'expected requests per second, 0 for no limit' })
  .min(0, 'expected requests per second, 0 for no limit')
  .max(1_000_000, 'expected at most 1000000 requests per second');

const burst = z.coerce
  .number({ error: 'expected a whole number from 1' })
  .int('expected a whole number from 1')
  .min(1, 'expected a whole number from 1')
  .max(100_000_000, 'expected at most 100000000');

function list(item: z.ZodType<string, string>) {
  return z
    .union([z.string().transform((text) => text.split(',').map((part) => part.trim())), z.array(z.string())])
    .transform((parts) => parts.filter((part) => part !== ''))
    .pipe(z.array(item));
}

/** Every process. */
export const processSettings = {
  logLevel: {
    schema: z
      .enum(['debug', 'info', 'warn', 'error'], { error: 'expected one of debug, info, warn, error' })
      .default('info'),
    doc: 'Least severe level that is logged. Default info.',
  },
  drainSeconds: {
    schema: seconds(0, 3600).default(30),
    doc: 'Seconds that running requests and uploads get to finish at shutdown. Default 30.',
  },
  faultPoint: {
    schema: z.string().optional(),
    doc: 'For fault tests only: kill the process (SIGKILL) when it reaches this named point.',
  },
  redisUrl: {
    schema: z
      .string()
      .refine(
        (text) => /^rediss?:$/.test(urlOf(text)?.protocol ?? ''),
        'expected redis://user:password@host:port/database, or rediss:// for TLS',
      )
      .optional(),
    doc: 'Redis that spreads jobs over processes and counts for rate limits. Default: none.',
    secret: true,
  },
  redisPrefix: {
    schema: z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
        'expected 1 to 64 letters, digits, dots, dashes, underscores',
      )
      .default('sluice'),
    doc: 'Begins every key in Redis, so that installations can share one. Default sluice.',
  },
} satisfies Settings;

/** Every process listens, if only for its health and metrics. */
export const listenSettings = {
  host: {
    schema: z.string().min(1, 'expected an address to listen on').default('127.0.0.1'),
    doc: 'Address to listen on. Default 127.0.0.1.',
  },
  port: { schema: port.default(8080), doc: 'Port to listen on; 0 takes a free one. Default 8080.' },
  reusePort: {
    schema: yesOrNo.default(false),
    doc: 'true lets several processes of one machine listen on the same port (Linux). Default false.',
  },
  tlsCertFile: {
    schema: z.string().min(1, 'expected a file').optional(),
    doc: 'PEM file with the certificate and its intermediates; with it the process speaks HTTPS. SIGHUP reads it again.',
  },
  tlsKeyFile: {
    schema: z.string().min(1, 'expected a file').optional(),
    doc: 'PEM file with the private key of the certificate.',
  },
} satisfies Settings;

/** Processes that clients talk to. */
export const clientSettings = {
  publicUrl: {
    schema: httpUrl.optional(),
    doc: 'URL under which clients reach Sluice. Default http(s)://<host>:<port>.',
  },
  trustedProxies: {
    schema: list(z.string()).default([]),
    doc: 'Addresses or networks (CIDR, comma separated) of proxies whose X-Forwarded-* headers are believed.',
  },
  rateLimitPrincipal: {
    schema: perSecond.default(2_000),
    doc: 'Requests a second of one user, robot or CI job in the long run; 0 is no limit. Default 2000.',
  },
  rateLimitPrincipalBurst: {
    schema: burst.default(60_000),
    doc: 'Requests that one principal may send at once after a pause. Default 60000.',
  },
  rateLimitAddress: {
    schema: perSecond.default(2_000),
    doc: 'Requests a second from one client address in the long run; 0 is no limit. Default 2000.',
  },
  rateLimitAddressBurst: {
    schema: burst.default(60_000),
    doc: 'Requests that may come from one address at once after a pause. Default 60000.',
  },
} satisfies Settings;

/** The database that every process shares. */
export const databaseSettings = {
  databaseUrl: {
    schema: z
      .string()
      .refine(
        (text) => /^postgres(ql)?:$/.test(urlOf(text)?.protocol ?? ''),
        'expected postgres://user:password@host/database',
      )
      .optional(),
    doc: 'PostgreSQL 15 or newer. Default: an embedded one in the data directory.',
    secret: true,
  },
} satisfies Settings;

/** Where the bytes of blobs are kept. */
export const blobSettings = {
  blobStore: {
    schema: z
      .string()
      .transform((text, context) => {
        try {
          return parseBlobStore(text);
        } catch (error) {
          if (!(error instanceof BlobStoreFault)) throw error;
          context.addIssue({ code: 'custom', message: error.message });
          return z.NEVER;
        }
      })
      .optional(),
    doc: 'Blob storage as file:///directory or s3://bucket/prefix?endpoint=https://host. Default: blobs in the data directory.',
  },
  s3AccessKey: {
    schema: z.string().min(1, 'expected the access key of the object store').optional(),
    doc: 'Access key of the object store that SLUICE_BLOB_STORE names.',
    secret: true,
  },
  s3SecretKey: {
    schema: z.string().min(1, 'expected the secret key of the object store').optional(),
    doc: 'Secret key that belongs to SLUICE_S3_ACCESS_KEY.',
    secret: true,
  },
  encryptionKeyFile: {
    schema: z.string().min(1, 'expected a file').optional(),
    doc: 'File with the keys that blobs are encrypted under, the same for all processes. Default: blobs are not encrypted.',
  },
} satisfies Settings;

/** What one process keeps for itself when nothing else is said. */
export const stateSettings = {
  dataDir: {
    schema: z
      .string()
      .min(1, 'expected a directory')
      .default('.sluice')
      .transform((path) => resolve(path)),
    doc: 'Directory of the embedded database, blobs and keys. Default ./.sluice.',
  },
  ...databaseSettings,
  ...blobSettings,
} satisfies Settings;

/** Whose credentials are accepted. */
export const identitySettings = {
  gitlabUrl: {
    schema: list(httpUrl).default([]),
    doc: 'GitLab instances (comma separated) whose id_tokens are accepted, exactly as in their `iss` claim.',
  },
  gitlabJwksFile: {
    schema: z.string().optional(),
    doc: 'File with the JWKS of the GitLab instance, for installations that cannot reach it.',
  },
  tokenKeyFile: {
    schema: z.string().min(1, 'expected a file').optional(),
    doc: 'File with the key that signs registry tokens, the same for all replicas. Default: one in the data directory.',
  },
} satisfies Settings;

/** Of the process that makes the first admin. */
export const adminSettings = {
  adminPassword: {
    schema: z.string().min(8, 'expected at least 8 characters').optional(),
    doc: 'Password of the first admin, used only when it is created. Default: a generated one, printed once.',
    secret: true,
  },
} satisfies Settings;

/** Of processes that take uploads. */
export const uploadSettings = {
  uploadSeconds: {
    schema: seconds(1, 30 * 86_400).default(86_400),
    doc: 'Seconds that an upload which nobody continues is kept. Default 86400, a day.',
  },
} satisfies Settings;

/** Of the gate. */
export const gateSettings = {
  gateHoldSeconds: {
    schema: seconds(0, 25).default(20),
    doc: 'Seconds that a pull waits for a pending verdict before it gets 429. Default 20; clients give up at 30.',
  },
} satisfies Settings;

/** Of the scanner. */
export const scannerSettings = {
  scannerConcurrency: {
    schema: z.coerce
      .number({ error: 'expected a whole number from 0 to 64' })
      .int('expected a whole number from 0 to 64')
      .min(0, 'expected a whole number from 0 to 64')
      .max(64, 'expected a whole number from 0 to 64')
      .default(2),
    doc: 'Artifacts that are scanned at once; 0 stops scanning (what is pushed stays pending). Default 2.',
  },
} satisfies Settings;

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
