import type { ApiClient } from '../api/client.ts';
import { ProblemError } from '../api/problem.ts';
import type { HealthReport, Me } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import { foreignPermissions } from '../config/config-file.ts';
import type { Connection } from '../config/connection.ts';
import { DEFAULT_URL, isUnencrypted } from '../config/server-url.ts';
import type { CommandContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import type { Output, Style } from '../io/output.ts';
import { printableLine } from '../io/text.ts';
import { cliVersion } from '../version.ts';

const MINIMUM_NODE = 24;
/** Tokens are valid for minutes; beyond this they may look expired, or not yet valid. */
const CLOCK_TOLERANCE_SECONDS = 60;
const SLOW_MS = 2000;

export interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  readonly fix: string | null;
}

/** A check with the exit code that its failure means. */
type Finding = Check & { readonly exitCode?: ExitCode };

export async function doctor(context: CommandContext): Promise<ExitCode> {
  const findings: Finding[] = [nodeCheck(), configCheck(context)];
  const connection = connectionOf(context, findings);
  if (connection !== null) {
    const api = context.apiOf(connection);
    const reachable = await serverChecks(api, findings);
    if (reachable) {
      await registryCheck(api, findings);
      const isAuthenticated = await loginCheck(api, connection, findings);
      if (isAuthenticated) await healthChecks(api, findings);
    }
  }
  const checks: Check[] = findings.map(({ name, status, message, fix }) => ({ name, status, message, fix }));
  const failed = findings.find((finding) => finding.status === 'fail');
  await context.output.report({ status: worst(checks), checks }, () => textOf(context.output, checks));
  return failed === undefined ? EXIT.green : (failed.exitCode ?? EXIT.red);
}

function nodeCheck(): Finding {
  const { node } = process.versions;
  const isNewEnough = Number(node.split('.')[0]) >= MINIMUM_NODE;
  return {
    name: 'command',
    status: isNewEnough ? 'ok' : 'fail',
    message: `sluice ${cliVersion()} on Node ${node}`,
    fix: isNewEnough ? null : `run it on Node ${MINIMUM_NODE} or newer`,
    exitCode: EXIT.usage,
  };
}

function configCheck(context: CommandContext): Finding {
  const name = 'configuration';
  try {
    const config = context.config();
    const permissions = foreignPermissions(context.configPath);
    if (permissions === null)
      return { name, status: 'ok', message: 'no login is stored on this machine', fix: null };
    if (permissions !== 0) {
      return {
        name,
        status: 'warn',
        message: `${context.configPath} holds secrets, and others may read or change it`,
        fix: `chmod 600 ${context.configPath}`,
      };
    }
    return {
      name,
      status: 'ok',
      message: `${config.servers.length} login(s) in ${context.configPath}`,
      fix: null,
    };
  } catch (error) {
    return failure(name, error);
  }
}

/** The connection that other commands would use; without any, the place where `npm start` listens. */
function connectionOf(context: CommandContext, findings: Finding[]): Connection | null {
  try {
    return context.connection();
  } catch (error) {
    if (error instanceof CliError && error.message === 'no server is known') {
      return { url: DEFAULT_URL, credentials: { kind: 'none' }, source: 'none' };
    }
    findings.push(failure('connection', error));
    return null;
  }
}

async function serverChecks(api: ApiClient, findings: Finding[]): Promise<boolean> {
  const startedAt = Date.now();
  let answer: Awaited<ReturnType<ApiClient['probe']>>;
  try {
    answer = await api.probe('/readyz');
  } catch (error) {
    findings.push(failure('server', error));
    return false;
  }
  const elapsedMs = Date.now() - startedAt;
  findings.push(readinessOf(api.url, answer, elapsedMs));
  if (isUnencrypted(api.url)) {
    findings.push({
      name: 'encryption',
      status: 'warn',
      message: `${api.url} is not encrypted: passwords and tokens can be read on the way`,
      fix: 'put a TLS proxy in front of Sluice and log in to its https address',
    });
  }
  const clock = clockCheck(answer.headers.get('date'), startedAt + elapsedMs / 2);
  if (clock !== null) findings.push(clock);
  return answer.status === 200 || answer.status === 503;
}

function readinessOf(url: string, answer: { status: number; text: string }, elapsedMs: number): Finding {
  const name = 'server';
  if (answer.status === 200) {
    const isSlow = elapsedMs > SLOW_MS;
    return {
      name,
      status: isSlow ? 'warn' : 'ok',
      message: `${url} is ready (${elapsedMs} ms)`,
      fix: isSlow ? 'look at the load of the server and the way to it' : null,
    };
  }
  if (answer.status === 503) {
    return {
      name,
      status: 'fail',
      message: `${url} is up and not ready: ${notReady(answer.text)}`,
      fix: 'the log of the server says more',
      exitCode: EXIT.unreachable,
    };
  }
  return {
    name,
    status: 'fail',
    message: `${url}/readyz answered ${answer.status}: this is not Sluice`,
    fix: 'check the URL, and any proxy between',
    exitCode: EXIT.unreachable,
  };
}

function notReady(text: string): string {
  try {
    const { checks } = JSON.parse(text) as { checks: { name: string; ok: boolean; reason?: string }[] };
    return checks
      .filter((check) => !check.ok)
      .map((check) => `${check.name} (${check.reason ?? 'no reason'})`)
      .join(', ');
  } catch {
    return 'it does not say why';
  }
}

function clockCheck(date: string | null, measuredAt: number): Finding | null {
  if (date === null || Number.isNaN(Date.parse(date))) return null;
  const skew = Math.round(Math.abs(Date.parse(date) - measuredAt) / 1000);
  const isOff = skew > CLOCK_TOLERANCE_SECONDS;
  return {
    name: 'clock',
    status: isOff ? 'warn' : 'ok',
    message: isOff
      ? `this machine and the server differ by ${skew} s`
      : 'this machine and the server agree on the time',
    fix: isOff ? 'synchronise both clocks (NTP): tokens and signatures depend on them' : null,
  };
}

/** Container clients find the token service in this answer; a wrong public URL of the server shows up here. */
async function registryCheck(api: ApiClient, findings: Finding[]): Promise<void> {
  const name = 'registry';
  try {
    const { status, headers } = await api.probe('/v2/');
    const realm = /realm="([^"]+)"/.exec(headers.get('www-authenticate') ?? '')?.[1];
    if (status !== 200 && status !== 401) {
      findings.push({
        name,
        status: 'fail',
        message: `${api.url}/v2/ answered ${status}`,
        fix: 'a proxy before Sluice must pass /v2/ on at the root of the host',
        exitCode: EXIT.unreachable,
      });
    } else if (realm !== undefined && URL.canParse(realm) && new URL(realm).host !== new URL(api.url).host) {
      findings.push({
        name,
        status: 'warn',
        message: `the registry sends clients to ${realm} for their token`,
        fix: 'set SLUICE_PUBLIC_URL of the server to the address that clients use, unless that one is right',
      });
    } else findings.push({ name, status: 'ok', message: `${api.url}/v2/ answers`, fix: null });
  } catch (error) {
    findings.push(failure(name, error));
  }
}

async function loginCheck(api: ApiClient, connection: Connection, findings: Finding[]): Promise<boolean> {
  const name = 'login';
  if (connection.credentials.kind === 'none') {
    findings.push({
      name,
      status: 'warn',
      message: `nobody is logged in to ${api.url}`,
      fix: `sluice login ${api.url}`,
    });
    return false;
  }
  try {
    const me = await api.get<Me>('/me');
    findings.push({
      name,
      status: 'ok',
      message: `${me.kind} ${me.name} by ${connection.source}`,
      fix: null,
    });
    return true;
  } catch (error) {
    findings.push(failure(name, error));
    return false;
  }
}

async function healthChecks(api: ApiClient, findings: Finding[]): Promise<void> {
  try {
    const health = await api.get<HealthReport>('/health');
    findings.push(versionCheck(health.version), ...health.checks);
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 403) {
      findings.push({
        name: 'installation',
        status: 'ok',
        message: 'not looked at: its state is shown to administrators',
        fix: null,
      });
    } else findings.push(failure('installation', error));
  }
}

/** The API only ever grows within v1, so a neighbouring minor version is fine. */
function versionCheck(server: string): Finding {
  const minor = (version: string): number => Number(version.split('.')[1] ?? 0);
  const major = (version: string): number => Number(version.split('.')[0] ?? 0);
  const own = cliVersion();
  const isFar = major(server) !== major(own) || Math.abs(minor(server) - minor(own)) > 1;
  return {
    name: 'version',
    status: isFar ? 'warn' : 'ok',
    message: `command ${own}, server ${server}`,
    fix: isFar ? 'use a command of the same version as the server' : null,
  };
}

function failure(name: string, error: unknown): Finding {
  if (!(error instanceof CliError)) throw error;
  return {
    name,
    status: 'fail',
    message: error.message,
    fix: error.hint ?? null,
    exitCode: error.exitCode,
  };
}

function worst(checks: readonly Check[]): Check['status'] {
  if (checks.some((check) => check.status === 'fail')) return 'fail';
  return checks.some((check) => check.status === 'warn') ? 'warn' : 'ok';
}

function textOf(output: Output, checks: readonly Check[]): string {
  const styles: Record<Check['status'], Style> = { ok: 'green', warn: 'yellow', fail: 'red' };
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .flatMap((check) => [
      `${output.style(styles[check.status], check.status.padEnd(4))}  ${check.name.padEnd(width)}  ${printableLine(check.message)}`,
      ...(check.fix === null ? [] : [`${' '.repeat(width + 8)}fix: ${printableLine(check.fix)}`]),
    ])
    .map((line) => `${line}\n`)
    .join('');
}
