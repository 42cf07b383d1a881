import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessError } from './errors.ts';
import {
  type CiBinding,
  CLOCK_LEEWAY_SECONDS,
  decideJobRights,
  type JobClaims,
  parseJobClaims,
} from './workload.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const clock = NOW.getTime() / 1000;
const EXPECTED = { issuer: 'https://gitlab.example', audience: 'https://sluice.example' };

/** As GitLab 18 writes it for a job of a branch pipeline. */
const PAYLOAD = {
  iss: EXPECTED.issuer,
  aud: EXPECTED.audience,
  sub: 'project_path:acme/app:ref_type:branch:ref:main',
  iat: clock - 10,
  nbf: clock - 15,
  exp: clock + 3590,
  jti: '0d3f',
  namespace_id: '7',
  namespace_path: 'acme',
  project_id: '42',
  project_path: 'acme/app',
  job_project_id: '42',
  job_project_path: 'acme/app',
  user_id: '5',
  user_login: 'anna',
  pipeline_id: '1001',
  pipeline_source: 'push',
  job_id: '5005',
  ref: 'main',
  ref_type: 'branch',
  ref_protected: 'true',
  runner_id: 3,
  sha: 'a'.repeat(40),
};

function parse(changes: Record<string, unknown> = {}, now = NOW): JobClaims {
  const payload = Object.fromEntries(
    Object.entries({ ...PAYLOAD, ...changes }).filter(([, value]) => value !== undefined),
  );
  return parseJobClaims(payload, EXPECTED, now);
}

describe("the claims of GitLab's id_token", () => {
  it("are read with GitLab's types", () => {
    expect(parse()).toEqual({
      issuer: EXPECTED.issuer,
      jti: '0d3f',
      expiresAt: new Date((clock + 3590) * 1000),
      projectId: '42',
      projectPath: 'acme/app',
      jobProjectId: '42',
      ref: 'main',
      refType: 'branch',
      refProtected: true,
      pipelineId: '1001',
      pipelineSource: 'push',
      jobId: '5005',
      sha: 'a'.repeat(40),
      userId: '5',
      userLogin: 'anna',
      environment: null,
    });
  });

  it.each([
    [
      { iss: 'https://evil.example' },
      'claim iss: expected https://gitlab.example, given "https://evil.example"',
    ],
    [
      { aud: 'https://other.example' },
      'claim aud: expected exactly https://sluice.example, given "https://other.example"',
    ],
    [{ aud: `${EXPECTED.audience}/` }, 'claim aud: expected exactly'],
    [{ aud: [EXPECTED.audience, 'https://other.example'] }, 'claim aud: expected exactly'],
    [{ aud: [] }, 'claim aud: expected exactly'],
    [{ aud: undefined }, 'claim aud: expected exactly https://sluice.example, given none'],
    [{ exp: clock - CLOCK_LEEWAY_SECONDS }, 'claim exp: expected later than'],
    [{ exp: undefined }, 'claim exp: expected a time in seconds, given none'],
    [{ exp: String(clock + 60) }, 'claim exp: expected a time in seconds'],
    [{ nbf: clock + CLOCK_LEEWAY_SECONDS + 1 }, 'claim nbf: expected not later than'],
    [{ iat: clock + CLOCK_LEEWAY_SECONDS + 1 }, 'claim iat: expected not later than'],
    [{ jti: undefined }, 'claim jti: expected a string'],
    [{ jti: 'a\u0000b' }, 'claim jti: expected a string of 1 to 1024 printable characters'],
    [{ project_id: 42 }, 'claim project_id: expected a decimal string such as "42", given 42'],
    [{ project_id: '042' }, 'claim project_id'],
    [{ project_id: '42; DROP TABLE' }, 'claim project_id'],
    [{ job_project_id: 42 }, 'claim job_project_id'],
    [{ ref_protected: true }, 'claim ref_protected: expected the string "true" or "false", given true'],
    [{ ref_type: 'commit' }, 'claim ref_type: expected branch or tag'],
    [{ runner_id: '3' }, 'claim runner_id: expected a number, given "3"'],
    [{ sha: '' }, 'claim sha'],
    [
      { user_login: undefined },
      'claim user_login: expected a string of 1 to 1024 printable characters, given none',
    ],
  ])('%j is refused, naming claim, expected and given', (changes, message) => {
    expect(() => parse(changes)).toThrow(`id_token refused: ${message}`);
  });

  it('accept one audience in a list', () => {
    expect(parse({ aud: [EXPECTED.audience] }).projectId).toBe('42');
  });

  it('hold within the leeway of the clocks and not beyond', () => {
    expect(parse({ exp: clock - CLOCK_LEEWAY_SECONDS + 1 })).toBeTruthy();
    expect(parse({ nbf: clock + CLOCK_LEEWAY_SECONDS })).toBeTruthy();
  });

  it('end in an AccessError or in claims, whatever they are', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(PAYLOAD)), fc.jsonValue()), (changes) => {
        try {
          expect(parse(changes).issuer).toBe(EXPECTED.issuer);
        } catch (error) {
          expect(error).toBeInstanceOf(AccessError);
        }
      }),
    );
  });
});

describe('what bindings give to a job', () => {
  const binding: CiBinding = {
    id: 'b',
    principalId: 'w',
    issuer: EXPECTED.issuer,
    gitlabProjectId: '42',
    nodeId: 'team/app',
    role: 'developer',
    conditions: {},
  };
  const roleOf = (changes: Record<string, unknown>, conditions: CiBinding['conditions'] = {}) =>
    decideJobRights([{ ...binding, conditions }], parse(changes)).grants[0]?.role ?? null;

  it('is the role of the binding for a job of the project itself', () => {
    expect(roleOf({})).toBe('developer');
    expect(roleOf({ pipeline_source: 'merge_request_event' })).toBe('developer');
  });

  it('fork rule: where project_id is not job_project_id, the job may read and not push', () => {
    expect(roleOf({ job_project_id: '99' })).toBe('reporter');
    const { limits } = decideJobRights([binding], parse({ job_project_id: '99' }));
    expect(limits).toEqual([
      'claim job_project_id: expected 42 (project_id), given 99: a pipeline that runs for another project may not push',
    ]);
  });

  it('fork rule before GitLab 18.4: a merge-request pipeline that does not say where it runs may not push', () => {
    expect(roleOf({ job_project_id: undefined, pipeline_source: 'merge_request_event' })).toBe('reporter');
    expect(roleOf({ job_project_id: undefined })).toBe('developer');
  });

  it('the fork rule never raises a role', () => {
    const guest = decideJobRights([{ ...binding, role: 'guest' }], parse({ job_project_id: '99' }));
    expect(guest.grants[0]?.role).toBe('guest');
  });

  it.each([
    [{ refProtected: true }, { ref_protected: 'false' }, 'claim ref_protected: expected true, given false'],
    [{ refType: 'tag' }, {}, 'claim ref_type: expected tag, given branch'],
    [
      { refs: ['release/*', 'main'] },
      { ref: 'feature' },
      'claim ref: expected one of release/*, main, given feature',
    ],
    [{ environments: ['production'] }, {}, 'claim environment: expected production, given none'],
    [
      { environments: ['prod*'] },
      { environment: 'staging' },
      'claim environment: expected prod*, given staging',
    ],
    [
      { pipelineSources: ['push'] },
      { pipeline_source: 'web' },
      'claim pipeline_source: expected push, given web',
    ],
  ] as const)('condition %j refuses %j, naming claim, expected and given', (conditions, changes, limit) => {
    const rights = decideJobRights([{ ...binding, conditions }], parse(changes));
    expect(rights).toEqual({ grants: [], limits: [limit] });
  });

  it('is given when every condition holds', () => {
    const conditions = {
      refProtected: true,
      refType: 'branch',
      refs: ['ma*n'],
      environments: ['prod/*'],
    } as const;
    expect(roleOf({ environment: 'prod/eu' }, conditions)).toBe('developer');
  });

  it('every binding counts for itself', () => {
    const second = {
      ...binding,
      id: 'c',
      nodeId: 'team/release',
      role: 'maintainer',
      conditions: { refType: 'tag' },
    } as const;
    const { grants } = decideJobRights([binding, second], parse());
    expect(grants.map(({ nodeId }) => nodeId)).toEqual(['team/app']);
  });

  it('matches patterns like a glob whose * crosses slashes', () => {
    const alphabet = fc.stringMatching(/^[ab/]{0,6}$/);
    fc.assert(
      fc.property(fc.array(alphabet, { minLength: 1, maxLength: 4 }), alphabet, (parts, ref) => {
        fc.pre(ref !== '');
        const pattern = parts.join('*');
        const asRegExp = new RegExp(`^${parts.join('.*')}$`);
        expect(roleOf({ ref }, { refs: [pattern] }) !== null).toBe(asRegExp.test(ref));
      }),
    );
  });
});
