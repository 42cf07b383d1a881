/** What became of one spec of the suite. */
export type SpecState = 'passed' | 'failed' | 'skipped';

export interface SpecResult {
  /** Title, with a number behind it when several specs have the same. */
  readonly name: string;
  readonly state: SpecState;
}

/** Title of everything in the suite; what else stands in a report are its own reporters. */
const SUITE = 'OCI Distribution Conformance Tests ';

/**
 * Reads the `junit.xml` of the classic suite. Specs are told apart by title and order, which are the same in every run.
 *
 * @throws Error when there is no spec in it
 */
export function parseJunit(xml: string): SpecResult[] {
  return readTestCases(xml, SUITE);
}

/**
 * Reads the test cases of a `junit.xml` whose names begin with `prefix`, which is left out of the result.
 *
 * @throws Error when there is none
 */
export function readTestCases(xml: string, prefix: string): SpecResult[] {
  const seen = new Map<string, number>();
  const results: SpecResult[] = [];
  for (const [, attributes = ''] of xml.matchAll(/<testcase\s([^>]*?)\/?>/g)) {
    const title = attribute(attributes, 'name');
    if (!title.startsWith(prefix)) continue;
    const count = (seen.get(title) ?? 0) + 1;
    seen.set(title, count);
    const name = title.slice(prefix.length);
    results.push({
      name: count === 1 ? name : `${name} #${count}`,
      state: stateOf(attribute(attributes, 'status')),
    });
  }
  if (results.length === 0) throw new Error('the report of the suite holds no spec');
  return results;
}

/** Anything that is neither passed nor skipped has failed: also panicked, aborted, timed out, interrupted. */
function stateOf(status: string): SpecState {
  return status === 'passed' || status === 'skipped' ? status : 'failed';
}

function attribute(attributes: string, name: string): string {
  const text = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? '';
  return text.replace(/&#?\w+;/g, (entity) => ENTITIES[entity] ?? entity);
}

const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#34;': '"',
  '&#39;': "'",
  '&apos;': "'",
};

/**
 * Joins several runs of the suite: a spec has failed when it failed in any run, and is skipped only when no run ran it.
 */
export function joinRuns(runs: readonly (readonly SpecResult[])[]): Map<string, SpecState> {
  const joined = new Map<string, SpecState>();
  for (const { name, state } of runs.flat()) {
    const known = joined.get(name);
    if (known === undefined || known === 'skipped' || state === 'failed') joined.set(name, state);
  }
  return joined;
}
