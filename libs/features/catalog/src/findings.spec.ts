import type { Finding } from '@sluice/domain/policy';
import { describe, expect, it } from 'vitest';
import { type ImageFinding, selectFindings } from './findings.ts';

function finding(advisory: string, over: Partial<Finding> = {}, digest = 'sha256:a'): ImageFinding {
  return {
    advisory,
    aliases: [],
    package: { purl: 'pkg:npm/x@1', ecosystem: 'npm', name: 'x', version: '1' },
    severity: 'low',
    score: null,
    fixedVersion: null,
    layer: null,
    path: 'package.json',
    ...over,
    image: { digest, platform: null },
  };
}

const ALL = { severities: null, fixable: null };

describe('selecting findings', () => {
  it('puts the worst first, then the higher score, then the name', () => {
    const sorted = selectFindings(
      [
        finding('A'),
        finding('B', { severity: 'critical', score: 9.1 }),
        finding('C', { severity: 'critical', score: 9.8 }),
        finding('D', { severity: 'unknown' }),
      ],
      ALL,
    );
    expect(sorted.map((each) => each.advisory)).toEqual(['C', 'B', 'A', 'D']);
  });

  it('has an order that does not depend on the order given, so that pages neither repeat nor lose one', () => {
    const some = [finding('A', {}, 'sha256:b'), finding('A', {}, 'sha256:a'), finding('B')];
    expect(selectFindings(some.toReversed(), ALL)).toEqual(selectFindings(some, ALL));
  });

  it('keeps only the severities asked for', () => {
    const some = [finding('A', { severity: 'high' }), finding('B', { severity: 'medium' })];
    expect(selectFindings(some, { severities: ['high', 'critical'], fixable: null })).toHaveLength(1);
    expect(selectFindings(some, { severities: [], fixable: null })).toHaveLength(0);
  });

  it('tells those with a published fix from those without', () => {
    const some = [finding('A', { fixedVersion: '2' }), finding('B')];
    expect(selectFindings(some, { severities: null, fixable: true }).map((each) => each.advisory)).toEqual([
      'A',
    ]);
    expect(selectFindings(some, { severities: null, fixable: false }).map((each) => each.advisory)).toEqual([
      'B',
    ]);
  });
});
