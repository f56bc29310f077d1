import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../../src/core/registry/challenge.ts';
import { engineError } from '../../support/engine-errors.ts';

function parse(header: string): [string, Record<string, string>][] {
  return parseChallenges(header, 'r.example').map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ]);
}

describe('parseChallenges', () => {
  const rows: [header: string, challenges: [string, Record<string, string>][]][] = [
    [
      'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
      [['bearer', { realm: 'https://a/t', service: 's', scope: 'repository:x:pull,push' }]],
    ],
    ['BEARER Realm=x , Service = "y"', [['bearer', { realm: 'x', service: 'y' }]]],
    [
      'Basic realm="a, b", Bearer realm="c"',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c' }],
      ],
    ],
    [
      'Negotiate, Basic',
      [
        ['negotiate', {}],
        ['basic', {}],
      ],
    ],
    [
      'Negotiate YWJj==, Bearer realm="c"',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'c' }],
      ],
    ],
    ['Bearer realm="a \\"b\\" \\\\c"', [['bearer', { realm: 'a "b" \\c' }]]],
    ['Bearer realm="first",realm="second"', [['bearer', { realm: 'first' }]]],
    ['Bearer __proto__="x"', [['bearer', Object.fromEntries([['__proto__', 'x']])]]],
    [',, Bearer realm="a",,', [['bearer', { realm: 'a' }]]],
    ['Bearer', [['bearer', {}]]],
    ['Bearer realm=""', [['bearer', { realm: '' }]]],
  ];
  for (const [header, challenges] of rows) {
    it(`reads ${header}`, () => assert.deepEqual(parse(header), challenges));
  }

  const refused: [name: string, header: string][] = [
    ['nothing', ''],
    ['only commas', ', ,'],
    ['an unterminated quote', 'Bearer realm="https://a/t'],
    ['a quote that ends in a backslash', 'Bearer realm="a\\"'],
    ['parameters without commas', 'Bearer a="1" b="2"'],
    ['a parameter without a value', 'Bearer a=, b="2"'],
    ['no scheme', '="x"'],
    ['200 challenges', Array(200).fill('Basic realm="x"').join(', ')],
    ['1 MB', `Bearer realm="${'x'.repeat(1_000_000)}"`],
    ['control characters', 'Bearer realm="\x1b[2J" \x07'],
  ];
  for (const [name, header] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parse(header), engineError('REGISTRY_RESPONSE_INVALID', /r\.example/));
    });
  }

  for (const part of ['a=', 'a="', '\\"', ',a', 'a ', '= ', 'Bearer a="\\']) {
    it(`answers 8 KiB of ${JSON.stringify(part)} at once`, () => {
      const header = `Bearer ${part.repeat(Math.floor(8000 / part.length))}`;
      const started = performance.now();
      try {
        parse(header);
      } catch (error) {
        engineError('REGISTRY_RESPONSE_INVALID')(error);
      }
      assert.ok(performance.now() - started < 200);
    });
  }

  it('reads back any challenges that it is given, and refuses any other text', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
    const value = fc.string({ maxLength: 20 });
    const challenge = fc.tuple(token, fc.dictionary(token, value, { minKeys: 1, maxKeys: 4 }));
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 5 }), (challenges) => {
        const header = challenges
          .map(
            ([scheme, parameters]) =>
              `${scheme} ${Object.entries(parameters).map(quoted).join(', ')}`,
          )
          .join(', ');
        assert.deepEqual(
          parse(header).map(([scheme, parameters]) => [scheme, { ...parameters }]),
          challenges.map(([scheme, parameters]) => [scheme, { ...parameters }]),
        );
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        try {
          parse(text);
        } catch (error) {
          engineError('REGISTRY_RESPONSE_INVALID')(error);
        }
      }),
    );
  });
});

function quoted([name, value]: [string, string]): string {
  return `${name}="${value.replace(/[\\"]/g, '\\$&')}"`;
}
