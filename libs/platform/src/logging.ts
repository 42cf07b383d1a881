import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Fields that may hold a credential wherever they stand in a log record. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'secret',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'subject_token',
];

const REDACTED = '[redacted]';

/**
 * JSON logs, one record a line. Levels: error = someone must act; warn = degraded, or denied by misconfiguration;
 * info = state change; debug otherwise. Credentials are removed from fields up to three levels deep and from URLs.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: ['', '*.', '*.*.'].flatMap((prefix) =>
        SECRET_FIELDS.map((field) => `${prefix}${quoted(field)}`).map(normalise),
      ),
      censor: REDACTED,
    },
    serializers: { err: pino.stdSerializers.err, url: redactUrl },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Removes credentials and signatures from a URL's user info and query. */
export function redactUrl(url: unknown): unknown {
  if (typeof url !== 'string') return url;
  return url
    .replace(/\/\/[^/@\s]+@/, `//${REDACTED}@`)
    .replace(/([?&][^=?&]*(?:token|signature|password|secret|credential)[^=?&]*=)[^&\s]*/gi, `$1${REDACTED}`);
}

function quoted(field: string): string {
  return /^[a-z_]+$/.test(field) ? field : `["${field}"]`;
}

function normalise(path: string): string {
  return path.replace('.[', '[');
}
