import type { NoAdvisoryData, OnMissing } from '../document.ts';
import type { RuleResult } from '../verdict.ts';

/** What a rule says, before its mode and its name are put to it. */
export type Judgement = Pick<RuleResult, 'outcome' | 'reason' | 'expected' | 'found' | 'evidence' | 'remedy'>;

/** The outcome while the evidence is missing or says nothing. Work under way beats everything: wait for it. */
export function outcomeOfMissing(onMissing: OnMissing, isExpected: boolean): Judgement['outcome'] {
  if (isExpected) return 'pending';
  return { pending: 'pending', deny: 'fail', warn: 'warn', pass: 'pass' }[onMissing] as Judgement['outcome'];
}

export function outcomeOfNoData(rule: NoAdvisoryData): Judgement['outcome'] {
  return { warn: 'warn', deny: 'fail', pass: 'pass' }[rule] as Judgement['outcome'];
}

/** `1 finding`, `2 findings`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** The first few in words, and how many more. */
export function enumerate(items: readonly string[], shown = 3): string {
  const rest = items.length - shown;
  const text = items.slice(0, shown).join(', ');
  return rest > 0 ? `${text} and ${rest} more` : text;
}

export const WAIT_FOR_SCAN = 'nobody: wait for the scan';
export const SCAN_AGAIN = 'an operator: see why the scan did not run, and scan it again';
export const READABLE_CONTENTS =
  'whoever builds it: use contents that the scanner can read; an operator: see why the scan is not complete';
