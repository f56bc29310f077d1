/** Rows for tables of layers: what is refused and how, what is accepted and as what. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EngineError } from '../../../src/core/errors.ts';
import type { TarEntrySpec } from '../../support/tar-builder.ts';
import { ingest, type LayerOptions, typeName } from './layer-fixture.ts';

/** A layer that must be refused. */
export interface Refused {
  readonly what: string;
  readonly tar: readonly TarEntrySpec[] | Buffer;
  readonly code?: 'LAYER_INVALID' | 'LAYER_ENTRY_REJECTED';
  /** What the message must say. */
  readonly says: RegExp;
  readonly options?: LayerOptions;
}

/** Declares a test that this layer is refused, with one clear line. */
export function refuses(row: Refused): void {
  it(`refuses ${row.what}`, async () => {
    await assert.rejects(ingest(row.tar, row.options), (error) => {
      assert.ok(error instanceof EngineError, String(error));
      assert.equal(error.code, row.code ?? 'LAYER_ENTRY_REJECTED');
      assert.match(error.message, row.says);
      assert.match(error.message, /^layer 1\/1: /);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });
}

/** A layer that must be read. */
export interface Accepted {
  readonly what: string;
  readonly tar: readonly TarEntrySpec[];
  /** The entries of the index, each as `type name` and perhaps ` -> link`. */
  readonly entries: readonly string[];
}

/** Declares a test that this layer becomes these entries. */
export function accepts(row: Accepted): void {
  it(row.what, async () => {
    const layer = await ingest(row.tar);
    const found = layer.entries.map(
      ({ type, name, link }) => `${typeName(type)} ${name}${link === '' ? '' : ` -> ${link}`}`,
    );
    assert.deepEqual(found, row.entries);
  });
}
