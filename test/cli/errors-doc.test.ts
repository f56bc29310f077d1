import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import ts from 'typescript';
import { exitStatusOf } from '../../src/cli/exit-status.ts';
import { CancelledError } from '../../src/cli/process-signals.ts';
import { EngineError, type ErrorCode } from '../../src/core/errors.ts';

const ERRORS_FILE = new URL('../../src/core/errors.ts', import.meta.url);
const DOC_FILE = new URL('../../docs/errors.md', import.meta.url);

interface DocRow {
  readonly code: string;
  readonly meaning: string;
  readonly status: string;
  readonly help: string;
}

/** The members of the union `ErrorCode`, as the compiler's parser sees them. */
function errorCodes(): ErrorCode[] {
  const source = ts.createSourceFile(
    'errors.ts',
    readFileSync(ERRORS_FILE, 'utf8'),
    ts.ScriptTarget.Latest,
  );
  const union = source.statements.find(
    (statement) => ts.isTypeAliasDeclaration(statement) && statement.name.text === 'ErrorCode',
  );
  assert.ok(union !== undefined && ts.isTypeAliasDeclaration(union));
  assert.ok(ts.isUnionTypeNode(union.type));
  return union.type.types.flatMap((type) =>
    ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)
      ? [type.literal.text as ErrorCode]
      : [],
  );
}

function docRows(): DocRow[] {
  return readFileSync(DOC_FILE, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, code, meaning = '', status = '', help = ''] =
        /^\| `([A-Z_]+)` \| (.*) \| (.*) \| (.*) \|$/.exec(line) ?? [];
      return code === undefined ? [] : [{ code, meaning, status, help }];
    });
}

function statusText(code: ErrorCode): string {
  const error = new EngineError(code, 'x');
  return `${exitStatusOf(error, 'fetch')}/${exitStatusOf(error, 'run')}`;
}

describe('docs/errors.md', () => {
  it('lists exactly the error codes of the engine, in their order', () => {
    assert.deepEqual(
      docRows().map(({ code }) => code),
      errorCodes(),
    );
  });

  it('says for each what it means, how the command ends, and what helps', () => {
    for (const { code, meaning, status, help } of docRows()) {
      assert.ok(meaning.length > 10 && help.length > 0, code);
      if (code !== 'CANCELLED') assert.equal(status, statusText(code as ErrorCode), code);
    }
  });

  it('gives the statuses of signals', () => {
    assert.equal(exitStatusOf(new CancelledError('SIGINT'), 'fetch'), 130);
    assert.equal(exitStatusOf(new CancelledError('SIGTERM'), 'run'), 143);
  });
});
