import { join } from 'node:path';
import { homedir } from 'node:os';
import { KeyError, SignatureRejected } from '@sluice/domain/signature';
import {
  type ImageReference,
  parseReference,
  readDockerCredentials,
  RegistryClient,
  RegistryClientError,
  type RegistryClientOptions,
} from '@sluice/registry-client';
import { CliError } from '../cli-error.ts';
import { credentialsFor } from '../config/connection.ts';
import { parseServerUrl, registryHost } from '../config/server-url.ts';
import { type CommandContext, userAgent } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { type SignatureFormats, signImage } from '../sign/index.ts';
import { readInput } from './input-file.ts';
import { keyPassword } from './key-password.ts';

export interface SignOptions {
  readonly key: string;
  readonly format: SignatureFormats;
}

export async function signArtifact(
  context: CommandContext,
  text: string,
  options: SignOptions,
): Promise<void> {
  try {
    const { reference, serverUrl } = referenceOf(context, text);
    const keyFile = await readInput(context, options.key);
    const password = await keyPassword(context, 'Password of the key: ');
    const client = new RegistryClient({
      registry: reference.registry,
      credentials: await registryCredentials(context, reference.registry, serverUrl),
      userAgent: userAgent(),
      ...(serverUrl === null ? {} : { plainHttp: serverUrl.startsWith('http:') }),
    });
    const now = new Date();
    const signed = await signImage({ reference, keyFile, password, formats: options.format, client, now });
    await context.output.item({ ...signed, registry: reference.registry, repository: reference.repository }, [
      ['image', `${reference.registry}/${reference.repository}@${signed.digest}`],
      ['key', signed.keyId],
      ...signed.signatures.map(
        ({ format, manifest, isNew }) =>
          [format, `${manifest} ${isNew ? '' : '(was there already)'}`.trimEnd()] as const,
      ),
    ]);
  } catch (error) {
    throw translated(error);
  }
}

/** A reference without a host means the server that the other commands talk to. */
function referenceOf(
  context: CommandContext,
  text: string,
): { reference: ImageReference; serverUrl: string | null } {
  const hasHost = /^(?:localhost|[^/]*[.:][^/]*)\//.test(text);
  const server = hasHost ? serverOf(context, text) : context.connection(text).url;
  const reference = parseReference(hasHost || server === null ? text : `${registryHost(server)}/${text}`);
  return { reference, serverUrl: server };
}

/** The login, or the server of the environment, to which the reference's host belongs; null when it is another registry. */
function serverOf(context: CommandContext, text: string): string | null {
  const given = context.options.url ?? context.terminal.environment.SLUICE_URL ?? '';
  const known = [
    ...(given === '' ? [] : [parseServerUrl(given)]),
    ...context.config().servers.map(({ url }) => url),
  ];
  return known.find((url) => text.startsWith(`${registryHost(url)}/`)) ?? null;
}

/** The command's own login for that registry, else what docker or podman stored. */
async function registryCredentials(
  context: CommandContext,
  registry: string,
  serverUrl: string | null,
): Promise<NonNullable<RegistryClientOptions['credentials']> | null> {
  const { environment } = context.terminal;
  if (serverUrl !== null) {
    const { credentials } = credentialsFor(context.config(), environment, serverUrl);
    if (credentials.kind === 'basic') return { username: credentials.user, password: credentials.password };
    // The registry takes a token as password whatever the user name.
    if (credentials.kind === 'bearer') return { username: 'token', password: credentials.token };
  }
  const directory = environment.DOCKER_CONFIG ?? join(environment.HOME ?? homedir(), '.docker');
  return readDockerCredentials(join(directory, 'config.json'), registry);
}

function translated(error: unknown): unknown {
  if (error instanceof KeyError) return new CliError(EXIT.usage, error.message, { cause: error });
  if (error instanceof SignatureRejected) {
    return new CliError(EXIT.verificationFailed, error.message, { cause: error });
  }
  if (error instanceof RegistryClientError) {
    return new CliError(registryExitCode(error), error.message, {
      cause: error,
      ...(error.code === 'UNAUTHORIZED' ? { hint: 'log in with `sluice login` or `docker login`' } : {}),
    });
  }
  return error;
}

function registryExitCode(error: RegistryClientError): ExitCode {
  switch (error.code) {
    case 'UNREACHABLE':
    case 'RATE_LIMITED':
    case 'PROTOCOL':
      return EXIT.unreachable;
    case 'UNAUTHORIZED':
      return EXIT.unauthenticated;
    case 'DENIED':
      return EXIT.forbidden;
    case 'NOT_FOUND':
      return EXIT.notFound;
    case 'DIGEST_MISMATCH':
      return EXIT.verificationFailed;
    case 'REFERENCE_INVALID':
    case 'CREDENTIALS_INVALID':
      return EXIT.usage;
    default:
      return EXIT.internal;
  }
}
