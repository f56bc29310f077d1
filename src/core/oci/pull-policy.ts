/**
 * When the source of an image is asked: `new` only for what the store lacks, `update` always (one
 * request decides when nothing changed), `never` not at all.
 */
export type PullPolicy = 'new' | 'update' | 'never';
