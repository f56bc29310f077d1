import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ContainerPhase, isLitter, phaseOf } from '../../../src/core/container/lifecycle.ts';

const YES = true;
const NO = false;

describe('phaseOf', () => {
  const rows: readonly (readonly [string, boolean, boolean, boolean, boolean, ContainerPhase])[] = [
    // what, removing, locked, pid, exit, phase
    ['locked, nothing started', NO, YES, NO, NO, 'preparing'],
    ['locked, its process started', NO, YES, YES, NO, 'running'],
    ['locked, its process ended', NO, YES, YES, YES, 'exited'],
    ['locked, ended before it started', NO, YES, NO, YES, 'exited'],
    ['free, ended', NO, NO, YES, YES, 'exited'],
    ['free, its supervisor was killed', NO, NO, YES, NO, 'exited'],
    ['free, its maker was killed', NO, NO, NO, NO, 'exited'],
    ['being removed', YES, YES, YES, YES, 'removing'],
    ['half removed', YES, NO, NO, NO, 'removing'],
  ];
  for (const [what, isRemoving, isLocked, hasPid, hasExit, phase] of rows) {
    it(`is ${phase} when it is ${what}`, () => {
      assert.equal(phaseOf({ isRemoving, isLocked, hasPid, hasExit }), phase);
    });
  }
});

describe('isLitter', () => {
  const rows: readonly (readonly [string, boolean, boolean, boolean, boolean])[] = [
    // what, remove on exit, pid, exit, litter
    ['was to be removed', YES, YES, NO, YES],
    ['was to be removed and ended', YES, YES, YES, YES],
    ['never started', NO, NO, NO, YES],
    ['ran and ended', NO, YES, YES, NO],
    ['ran until its supervisor was killed', NO, YES, NO, NO],
    ['ended before it started', NO, NO, YES, NO],
  ];
  for (const [what, removeOnExit, hasPid, hasExit, litter] of rows) {
    it(`says ${litter ? 'yes' : 'no'} to what ${what}`, () => {
      assert.equal(isLitter({ removeOnExit, hasPid, hasExit }), litter);
    });
  }
});
