import { PolicyError, type PolicyProblem } from '@sluice/domain/policy';
import { isAlias, isNode, LineCounter, parseDocument, visit } from 'yaml';

const SIZE_MAX_BYTES = 64 * 1024;
const DEPTH_MAX = 20;
const PROBLEMS_MAX = 50;

/**
 * Reads one YAML document as plain JSON values.
 *
 * Anchors, aliases and tags are refused: a policy needs none of them, and with them a small text can stand for a huge
 * or misleading one.
 *
 * @throws PolicyError policy-invalid
 */
export function readYaml(text: string): unknown {
  if (Buffer.byteLength(text) > SIZE_MAX_BYTES) {
    throw invalid([
      { path: '', message: `the document is larger than ${SIZE_MAX_BYTES} bytes, the most allowed` },
    ]);
  }
  refuseDeepNesting(text);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'error',
    lineCounter: lines,
  });
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) =>
    at(lines, pos[0], message),
  );
  visit(document, (_key, node) => {
    if (!isNode(node)) return;
    const offset = node.range?.[0] ?? 0;
    if (isAlias(node)) problems.push(at(lines, offset, `aliases are not allowed: write *${node.source} out`));
    else if (node.anchor !== undefined)
      problems.push(at(lines, offset, `anchors are not allowed: &${node.anchor}`));
    if (node.tag !== undefined) problems.push(at(lines, offset, `tags are not allowed: ${node.tag}`));
  });
  if (problems.length > 0) throw invalid(problems.slice(0, PROBLEMS_MAX));
  return document.toJS({ maxAliasCount: 0 });
}

export function invalid(problems: readonly PolicyProblem[]): PolicyError {
  const [first, ...rest] = problems;
  const more = rest.length === 0 ? '' : `; and ${rest.length} more`;
  const text =
    first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path} `}${first.message}${more}`;
  return new PolicyError('policy-invalid', `this is not a valid policy${text}`, problems);
}

/** Parsers recurse. Both ways to nest are counted before one of them gets the text. */
function refuseDeepNesting(text: string): void {
  let flow = 0;
  for (const character of text) {
    if (character === '[' || character === '{') flow += 1;
    else if (character === ']' || character === '}') flow -= 1;
    if (flow > DEPTH_MAX) throw tooDeep();
  }
  // Each level of a block needs another column, or another "- " or "? " on its line.
  for (const line of text.split('\n')) {
    const lead = /^(?:[ \t]|[-?:](?=[ \t]))*/.exec(line)?.[0] ?? '';
    if (lead.replaceAll(/[ \t]/g, '').length > DEPTH_MAX || lead.length > 4 * DEPTH_MAX) throw tooDeep();
  }
}

function tooDeep(): PolicyError {
  return invalid([
    { path: '', message: `the document is nested deeper than ${DEPTH_MAX} levels, the most allowed` },
  ]);
}

function at(lines: LineCounter, offset: number, message: string): PolicyProblem {
  const { line, col } = lines.linePos(offset);
  return { path: `line ${line}, column ${col}`, message: message.slice(0, 300) };
}
