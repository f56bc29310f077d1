import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyConfigChange, applyConfigChanges } from '../../../src/core/oci/config-changes.ts';
import { engineError } from '../../support/engine-errors.ts';

const BASE = { architecture: 'amd64', os: 'linux', later: { kept: true } };

interface Row {
  readonly name: string;
  readonly config?: Record<string, unknown>;
  readonly changes: readonly string[];
  readonly expected: Record<string, unknown>;
}

const ROWS: readonly Row[] = [
  { name: 'CMD in exec form', changes: ['CMD ["a", "b c"]'], expected: { Cmd: ['a', 'b c'] } },
  {
    name: 'CMD in shell form keeps quotes and variables for the shell',
    changes: ['cmd echo "$HOME"'],
    expected: { Cmd: ['/bin/sh', '-c', 'echo "$HOME"'] },
  },
  {
    name: 'a shell form is run by the shell of the image',
    config: { Shell: ['/bin/bash', '-ec'] },
    changes: ['ENTRYPOINT run it'],
    expected: { Shell: ['/bin/bash', '-ec'], Entrypoint: ['/bin/bash', '-ec', 'run it'] },
  },
  {
    name: 'what is no JSON is a shell form',
    changes: ["CMD ['a']"],
    expected: { Cmd: ['/bin/sh', '-c', "['a']"] },
  },
  { name: 'an empty exec form', changes: ['CMD []'], expected: { Cmd: [] } },
  {
    name: 'ENTRYPOINT drops the CMD of the image',
    config: { Cmd: ['old'] },
    changes: ['ENTRYPOINT ["e"]'],
    expected: { Entrypoint: ['e'] },
  },
  {
    name: 'ENTRYPOINT keeps a CMD of the same list',
    config: { Cmd: ['old'] },
    changes: ['CMD ["new"]', 'ENTRYPOINT ["e"]'],
    expected: { Cmd: ['new'], Entrypoint: ['e'] },
  },
  {
    name: 'ENV replaces, adds, unquotes and expands',
    config: { Env: ['PATH=/bin', 'A=1'] },
    changes: [`ENV PATH=/x:$PATH A="two words" B='$PATH' C=a\\ b D=\${NONE:-d}\${A:+yes}`],
    expected: { Env: ['PATH=/x:/bin', 'A=two words', 'B=$PATH', 'C=a b', 'D=dyes'] },
  },
  {
    name: 'ENV in the old form takes the rest of the line',
    changes: ['ENV GREETING hello   there'],
    expected: { Env: ['GREETING=hello   there'] },
  },
  {
    name: 'a second ENV sees the first',
    changes: ['ENV A=1', `ENV B=\${A}2`],
    expected: { Env: ['A=1', 'B=12'] },
  },
  {
    name: 'LABEL merges, and __proto__ is data',
    config: { Labels: { a: '1', b: '2' } },
    changes: ['LABEL b=3 "c d"="e f"', 'LABEL __proto__=x'],
    expected: { Labels: JSON.parse('{"a":"1","b":"3","c d":"e f","__proto__":"x"}') },
  },
  {
    name: 'EXPOSE takes ranges and protocols',
    config: { ExposedPorts: { '22/tcp': {} } },
    changes: ['EXPOSE 80 53/UDP 8000-8002/tcp'],
    expected: {
      ExposedPorts: {
        '22/tcp': {},
        '80/tcp': {},
        '53/udp': {},
        '8000/tcp': {},
        '8001/tcp': {},
        '8002/tcp': {},
      },
    },
  },
  {
    name: 'VOLUME in both forms',
    changes: ['VOLUME /a /b', 'VOLUME ["/c d"]'],
    expected: { Volumes: { '/a': {}, '/b': {}, '/c d': {} } },
  },
  { name: 'USER', changes: ['USER 1000:1000'], expected: { User: '1000:1000' } },
  {
    name: 'a relative WORKDIR continues the one before',
    changes: ['WORKDIR /srv/', 'WORKDIR app', 'WORKDIR ../web'],
    expected: { WorkingDir: '/srv/web' },
  },
  {
    name: 'STOPSIGNAL',
    changes: ['STOPSIGNAL SIGRTMIN+3'],
    expected: { StopSignal: 'SIGRTMIN+3' },
  },
  {
    name: 'HEALTHCHECK with flags in shell form',
    changes: ['HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD curl -f "$URL"'],
    expected: {
      Healthcheck: {
        Test: ['CMD-SHELL', 'curl -f "$URL"'],
        Interval: 90e9,
        Timeout: 1.5e9,
        Retries: 3,
      },
    },
  },
  {
    name: 'HEALTHCHECK in exec form',
    changes: ['HEALTHCHECK CMD ["/ok"]'],
    expected: { Healthcheck: { Test: ['CMD', '/ok'] } },
  },
  {
    name: 'HEALTHCHECK NONE',
    changes: ['HEALTHCHECK NONE'],
    expected: { Healthcheck: { Test: ['NONE'] } },
  },
  {
    name: 'ONBUILD adds a trigger',
    config: { OnBuild: ['RUN a'] },
    changes: ['ONBUILD COPY . /app'],
    expected: { OnBuild: ['RUN a', 'COPY . /app'] },
  },
];

describe('applyConfigChanges', () => {
  for (const { name, config, changes, expected } of ROWS) {
    it(name, () => {
      const changed = applyConfigChanges({ ...BASE, ...(config && { config }) }, changes);
      assert.deepEqual(JSON.parse(JSON.stringify(changed)), { ...BASE, config: expected });
    });
  }

  it('does not touch the config that it was given', () => {
    const config = { ...BASE, config: { Env: ['A=1'], Labels: { a: 'b' } } };
    const before = JSON.stringify(config);
    applyConfigChanges(config, ['ENV A=2', 'LABEL a=c', 'ENTRYPOINT x']);
    assert.equal(JSON.stringify(config), before);
  });

  for (const change of [
    'RUN rm -rf /',
    'FROM scratch',
    '',
    'CMD',
    'CMD [1]',
    'ENV A',
    'ENV A="b',
    'ENV A=${B',
    `ENV A=\${B:?x}`,
    'ENV =x',
    'ENV A=\0',
    'EXPOSE 0',
    'EXPOSE 70000',
    'EXPOSE 9-8',
    'EXPOSE 1/icmp',
    'STOPSIGNAL NOPE',
    'HEALTHCHECK curl',
    'HEALTHCHECK --interval=0s CMD x',
    'HEALTHCHECK --what=1 CMD x',
    'ONBUILD ONBUILD RUN x',
    'VOLUME [""]',
  ]) {
    it(`refuses ${JSON.stringify(change)}`, () => {
      assert.throws(() => applyConfigChange(BASE, change), engineError('USAGE_INVALID'));
    });
  }
});
