import { describe, expect, it } from 'vitest';
import { parseResults, shortfalls } from './results.ts';

const REPORT = `config:
  registry: 127.0.0.1:1
  apis:
    ping: true
  data:
    image: true
  version: "1.1"
apis:
  Blob chunked: Pass
  Blob mount: Skip
  "Tag listing": FAIL
  Ping: Unknown
data:
  Blobs sha256: Pass
  Sparse Manifests: Disabled
`;

describe('the results of the conformance suite', () => {
  it('are read from its two maps, and nothing of its configuration', () => {
    expect(parseResults(REPORT)).toEqual([
      { kind: 'api', name: 'Blob chunked', state: 'pass' },
      { kind: 'api', name: 'Blob mount', state: 'skip' },
      { kind: 'api', name: 'Tag listing', state: 'fail' },
      { kind: 'api', name: 'Ping', state: 'fail' },
      { kind: 'data', name: 'Blobs sha256', state: 'pass' },
      { kind: 'data', name: 'Sparse Manifests', state: 'disabled' },
    ]);
  });

  it('without one of the maps are an error, so that a suite that did not run has not passed', () => {
    expect(() => parseResults('apis:\n  Ping: Pass\n')).toThrow('no data');
    expect(() => parseResults('')).toThrow('no apis');
  });

  it('fall short by everything that has not passed, skips included; what is excused may be left out but not fail', () => {
    const entries = parseResults(REPORT);
    const names = (excused: readonly string[]): string[] =>
      shortfalls({ entries, excused: new Map(excused.map((name) => [name, 'why'])) }).map(({ name }) => name);
    expect(names([])).toEqual(['Blob mount', 'Tag listing', 'Ping', 'Sparse Manifests']);
    expect(names(['Sparse Manifests', 'Tag listing'])).toEqual(['Blob mount', 'Tag listing', 'Ping']);
  });
});
