/** What a parsed template consists of. */

/** What an operand begins with, before fields are looked up in it. */
export type Operand =
  | { readonly kind: 'dot' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline };

/** An operand and the fields behind it: `.A.B` is the dot with two. */
export interface Term {
  readonly operand: Operand;
  readonly fields: readonly string[];
}

/** Terms beside each other: what is called, or stands alone, and its arguments. */
export interface Command {
  readonly head: Term;
  readonly args: readonly Term[];
}

/** Commands joined by `|`, and the variables that their result goes to. */
export interface Pipeline {
  readonly names: readonly string[];
  /** `$x = …`, not `$x := …`. */
  readonly isAssignment: boolean;
  readonly commands: readonly Command[];
}

/** A piece of a template. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | { readonly kind: 'break' | 'continue' }
  | Block;

/** One that has other nodes in it. */
export interface Block {
  readonly kind: 'if' | 'with' | 'range';
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}
