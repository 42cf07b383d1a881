import { describe, expect, it } from 'vitest';
import { joinRuns, parseJunit } from './junit.ts';

const report = (cases: string): string =>
  `<?xml version="1.0"?><testsuites><testsuite>${cases}</testsuite></testsuites>`;
const spec = (name: string, status: string): string =>
  `<testcase name="OCI Distribution Conformance Tests ${name}" classname="c" status="${status}" time="1"></testcase>`;

describe('the report of the conformance suite', () => {
  it('is read spec by spec, equal titles numbered in their order', () => {
    expect(
      parseJunit(
        report(
          spec('Pull a', 'passed') + spec('Pull a', 'panicked') + spec('limitable by &#34;n&#34;', 'skipped'),
        ),
      ),
    ).toEqual([
      { name: 'Pull a', state: 'passed' },
      { name: 'Pull a #2', state: 'failed' },
      { name: 'limitable by "n"', state: 'skipped' },
    ]);
  });

  it('leaves out what is no spec, and a report without any is an error', () => {
    const reporter = '<testcase name="[ReportAfterSuite] html" status="passed"/>';
    expect(parseJunit(report(reporter + spec('a', 'passed')))).toHaveLength(1);
    expect(() => parseJunit(report(reporter))).toThrow('no spec');
    expect(() => parseJunit('')).toThrow('no spec');
  });

  it.each([
    [['passed', 'skipped'], 'passed'],
    [['skipped', 'passed'], 'passed'],
    [['passed', 'failed'], 'failed'],
    [['failed', 'passed'], 'failed'],
    [['failed', 'skipped'], 'failed'],
    [['skipped', 'skipped'], 'skipped'],
  ] as const)('%j over two runs is %s', (states, expected) => {
    expect(joinRuns(states.map((state) => [{ name: 'a', state }])).get('a')).toBe(expected);
  });
});
