import { describe, expect, it } from 'vitest';
import { distributionOf } from './distribution.ts';

describe('the OSV ecosystem of a distribution', () => {
  it.each([
    [{ ID: 'debian', VERSION_ID: '12' }, 'Debian:12'],
    [{ ID: 'debian', VERSION_ID: '12.5' }, 'Debian:12'],
    [{ ID: 'debian' }, null],
    [{ ID: 'alpine', VERSION_ID: '3.20.3' }, 'Alpine:v3.20'],
    [{ ID: 'alpine', VERSION_ID: '3.22.0_alpha20250108' }, 'Alpine:edge'],
    [{ ID: 'ubuntu', VERSION_ID: '22.04' }, 'Ubuntu:22.04:LTS'],
    [{ ID: 'ubuntu', VERSION_ID: '23.04' }, 'Ubuntu:23.04'],
    [{ ID: 'ubuntu', VERSION_ID: '24.10' }, 'Ubuntu:24.10'],
    [{ ID: 'wolfi', VERSION_ID: '20230201' }, 'Wolfi'],
    [{ ID: 'rhel', VERSION_ID: '9.4' }, null],
  ])('%j is %s', (fields, ecosystem) => {
    expect(distributionOf(fields)?.ecosystem).toBe(ecosystem);
  });

  it('a rolling distribution has no version, and without an ID there is no distribution', () => {
    expect(distributionOf({ ID: 'wolfi', VERSION_ID: '20230201' })).toMatchObject({
      version: null,
      name: 'wolfi',
    });
    expect(distributionOf({ VERSION_ID: '12' })).toBeNull();
  });
});
