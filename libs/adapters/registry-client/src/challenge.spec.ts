import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from './challenge.ts';

describe('parseChallenges', () => {
  it('reads what registries send', () => {
    const header =
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"';
    expect(parseChallenges(header)).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example/token',
          service: 'registry.example',
          scope: 'repository:a/b:pull,push',
        },
      },
    ]);
  });

  it('reads several challenges in one header, tokens without quotes, and escaped quotes', () => {
    expect(
      parseChallenges(String.raw`Basic realm="a \"b\" c", Negotiate, BEARER Realm=x , service = "y"`),
    ).toEqual([
      { scheme: 'basic', parameters: { realm: 'a "b" c' } },
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'bearer', parameters: { realm: 'x', service: 'y' } },
    ]);
  });

  it.each(['', ',', '=', 'realm="x"', '"', 'Bearer realm="open'])('gives no parameters for %j', (header) => {
    expect(parseChallenges(header).every(({ parameters }) => Object.keys(parameters).length === 0)).toBe(
      true,
    );
  });

  it('ends on every input (fuzz)', () => {
    const piece = fc.constantFrom('Bearer', ' ', ',', '=', '"', '\\', 'realm', 'x', '\t', 'é');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        (header) => {
          expect(Array.isArray(parseChallenges(header))).toBe(true);
        },
      ),
      { seed: 7, numRuns: 1000 },
    );
  });
});
