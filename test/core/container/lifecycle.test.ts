import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ContainerPhase,
  type ContainerSigns,
  isLitter,
  phaseOf,
  type RemainsSigns,
} from '../../../src/core/container/lifecycle.ts';

/** What is seen of a container that was just made. */
const NOTHING: ContainerSigns = {
  isRemoving: false,
  isLocked: false,
  hasPid: false,
  hasExit: false,
  isCreated: false,
  isFrozen: false,
  hasRestarted: false,
};

describe('phaseOf', () => {
  const rows: readonly (readonly [string, readonly (keyof ContainerSigns)[], ContainerPhase])[] = [
    ['locked, nothing started', ['isLocked'], 'preparing'],
    ['locked, nothing started, made earlier', ['isLocked', 'isCreated'], 'preparing'],
    ['locked, between two runs', ['isLocked', 'hasRestarted'], 'restarting'],
    ['locked, its process started', ['isLocked', 'hasPid'], 'running'],
    ['locked, started again', ['isLocked', 'hasPid', 'hasRestarted'], 'running'],
    ['locked, its group frozen', ['isLocked', 'hasPid', 'isFrozen'], 'paused'],
    ['locked, its process ended', ['isLocked', 'hasPid', 'hasExit'], 'exited'],
    ['locked, ended before it started', ['isLocked', 'hasExit'], 'exited'],
    ['free, ended', ['hasPid', 'hasExit'], 'exited'],
    ['free, its supervisor was killed', ['hasPid'], 'exited'],
    ['free, its supervisor was killed, made earlier', ['hasPid', 'isCreated'], 'exited'],
    ['free, its maker was killed', [], 'exited'],
    ['free, waiting for its start', ['isCreated'], 'created'],
    ['being removed', ['isRemoving', 'isLocked', 'hasPid', 'hasExit'], 'removing'],
    ['half removed', ['isRemoving'], 'removing'],
  ];
  for (const [what, signs, phase] of rows) {
    it(`is ${phase} when it is ${what}`, () => {
      const seen = Object.fromEntries(signs.map((sign) => [sign, true]));
      assert.equal(phaseOf({ ...NOTHING, ...seen }), phase);
    });
  }
});

describe('isLitter', () => {
  const rows: readonly (readonly [string, readonly (keyof RemainsSigns)[], boolean])[] = [
    ['was to be removed', ['removeOnExit', 'hasPid'], true],
    ['was to be removed and ended', ['removeOnExit', 'hasPid', 'hasExit'], true],
    ['is to be removed and waits for its start', ['removeOnExit', 'isCreated'], false],
    ['never started', [], true],
    ['waits for its start', ['isCreated'], false],
    ['ran and ended', ['hasPid', 'hasExit'], false],
    ['ran until its supervisor was killed', ['hasPid'], false],
    ['ended before it started', ['hasExit'], false],
  ];
  for (const [what, signs, litter] of rows) {
    it(`says ${litter ? 'yes' : 'no'} to what ${what}`, () => {
      const none = { removeOnExit: false, hasPid: false, hasExit: false, isCreated: false };
      const seen = Object.fromEntries(signs.map((sign) => [sign, true]));
      assert.equal(isLitter({ ...none, ...seen }), litter);
    });
  }
});
