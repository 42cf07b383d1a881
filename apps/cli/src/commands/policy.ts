import type { Policy } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { readInput } from './input-file.ts';

interface NodeOption {
  readonly node?: string;
}

interface AppliedPolicy {
  readonly id: string;
  readonly name: string;
  readonly node: string | null;
  readonly version: number;
  readonly changed: boolean;
}

export async function applyPolicy(
  context: CommandContext,
  options: NodeOption & { readonly file: string },
): Promise<void> {
  const document = await readInput(context, options.file);
  const { status, body } = await context
    .api()
    .request<AppliedPolicy>('PUT', '/policies', { body: { node: options.node ?? null, document } });
  await context.output.item(body, [
    ['id', body.id],
    ['name', body.name],
    ['node', body.node ?? 'installation'],
    ['version', body.version],
    ['result', status === 201 ? 'created' : body.changed ? 'changed' : 'unchanged'],
  ]);
}

export async function listPolicies(context: CommandContext, options: NodeOption): Promise<void> {
  const policies = await context.api().collect<Policy>('/policies', { node: options.node });
  await context.output.list(
    policies,
    [
      { title: 'id', value: (policy) => policy.id },
      { title: 'node', value: (policy) => policy.node ?? 'installation' },
      { title: 'name', value: (policy) => policy.name },
      { title: 'version', value: (policy) => policy.version },
      { title: 'updated', value: (policy) => policy.updatedAt },
    ],
    'no policies',
  );
}

export async function showPolicy(
  context: CommandContext,
  idOrName: string,
  options: NodeOption,
): Promise<void> {
  const id = await policyId(context, idOrName, options.node);
  const policy = await context.api().get<Policy>(`/policies/${encodeURIComponent(id)}`);
  if (context.output.format === 'json') await context.output.data(policy);
  else {
    const { stringify } = await import('yaml');
    const node = policy.node ?? 'installation';
    // Comments, so that the whole output is a document that `policy apply` takes.
    const head = `# ${policy.id}  node: ${node}  version: ${policy.version}  updated: ${policy.updatedAt}\n`;
    context.output.raw(`${head}${stringify(policy.document)}`);
  }
}

export async function deletePolicy(
  context: CommandContext,
  idOrName: string,
  options: NodeOption,
): Promise<void> {
  const id = await policyId(context, idOrName, options.node);
  await context.api().delete(`/policies/${encodeURIComponent(id)}`);
  context.output.note(`deleted ${idOrName}`);
}

/** A name means the policy of exactly that node, or of the installation; only an id reaches everything. */
async function policyId(
  context: CommandContext,
  idOrName: string,
  node: string | undefined,
): Promise<string> {
  if (idOrName.startsWith('pol_')) return idOrName;
  const policies = await context.api().collect<Policy>('/policies', { node });
  const found = policies.find((policy) => policy.name === idOrName && policy.node === (node ?? null));
  if (found !== undefined) return found.id;
  throw new CliError(EXIT.notFound, `no policy of ${node ?? 'the installation'} is called ${idOrName}`, {
    hint: 'see `sluice policy list`; --node says where it is attached',
  });
}

/** Needs no server: what the server would say about the document is decided by the same code. */
export async function checkPolicy(
  context: CommandContext,
  options: { readonly file: string },
): Promise<void> {
  const text = await readInput(context, options.file);
  const { parsePolicy } = await import('@sluice/gate');
  const { PolicyError } = await import('@sluice/domain/policy');
  try {
    const document = parsePolicy(text);
    await context.output.item({ valid: true, name: document.metadata.name, document }, [
      ['name', document.metadata.name],
      ['rules', document.spec.rules.map((rule) => rule.name).join(', ')],
      ['result', 'valid'],
    ]);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const lines = error.problems.map(({ path, message }) => `  ${path === '' ? '' : `${path}: `}${message}`);
    throw new CliError(EXIT.usage, [`${options.file} is not a valid policy`, ...lines].join('\n'), {
      cause: error,
    });
  }
}
