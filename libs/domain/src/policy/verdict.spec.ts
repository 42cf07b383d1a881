import { describe, expect, it } from 'vitest';
import { decideGate, lacksOnlySignatures, type RuleResult, VERDICT_STATES } from './verdict.ts';

function result(kind: string, outcome: RuleResult['outcome']): RuleResult {
  return {
    scope: 'installation',
    policy: 'p',
    policyVersion: 1,
    rule: kind,
    kind,
    mode: 'enforce',
    outcome,
    reason: 'because',
    expected: 'x',
    found: 'y',
    evidence: [],
    remedy: null,
  };
}

describe('an artifact that is refused lacks only signatures', () => {
  it.each<[string, RuleResult[], boolean]>([
    ['when nothing else failed', [result('signature', 'fail'), result('scan', 'pass')], true],
    ['while its scan is still under way', [result('signature', 'fail'), result('scan', 'pending')], true],
    [
      'when its children are refused as well',
      [result('signature', 'fail'), result('children', 'fail')],
      true,
    ],
    ['not when its scan failed too', [result('signature', 'fail'), result('scan', 'fail')], false],
    ['not when only its scan failed', [result('scan', 'fail'), result('signature', 'pass')], false],
    ['not when only its children are refused', [result('children', 'fail')], false],
    ['not when only a signature is awaited', [result('signature', 'pending'), result('scan', 'fail')], false],
    ['not without any result', [], false],
  ])('%s', (_, results, expected) => {
    expect(lacksOnlySignatures(results)).toBe(expected);
  });
});

describe('the gate', () => {
  it('is closed without a verdict', () => {
    expect(decideGate(null).kind).toBe('deny');
  });

  it.each(VERDICT_STATES)('answers %s in one way', (state) => {
    const answers = { green: 'allow', amber: 'warn', pending: 'hold', red: 'deny' };
    expect(decideGate({ id: 'v', state, summary: null }).kind).toBe(answers[state]);
  });
});
