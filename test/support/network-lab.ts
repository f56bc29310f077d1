/**
 * A network namespace that plays the host, for tests of networks: whatever they do to interfaces,
 * routes and packet filters, the machine does not see it. The whole test process moves into it, and
 * everything that it starts afterwards.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { nativeFunction } from '../../src/core/host/ffi.ts';
import { setInterfaceUp } from '../../src/core/host/network-interface.ts';
import { inNetworkNamespace } from '../../src/core/host/network-namespace.ts';

/** Addresses of the host that is played, and of the other machine. */
export const HOST_IP = '192.0.2.1';
export const FAR_IP = '192.0.2.2';
export const HOST_IP6 = '2001:db8::1';
export const FAR_IP6 = '2001:db8::2';

/** What a command in a namespace did. */
export interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The lab; disposing ends the other machine. The process stays where it is. */
export interface NetworkLab extends Disposable {
  /** Runs a command on the other machine. */
  far(command: readonly string[]): Answer;
  /** Everything of networks that could be left: interfaces, rules, routes. */
  traces(): string[];
}

const unshare = nativeFunction('unshare', { arguments: ['i32'], return: 'i32' });
const CLONE_NEWNET = 0x4000_0000;

/** Moves this process into a new lab, once for its life. */
export function enterLab(): NetworkLab {
  if (unshare()(CLONE_NEWNET) !== 0) throw new Error('no network namespace');
  setInterfaceUp('lo');
  const machine = startMachine();
  ip(`link add up0 type veth peer name up1 netns ${machine.pid}`);
  ip(`address add ${HOST_IP}/24 dev up0`);
  ip(`-6 address add ${HOST_IP6}/64 dev up0 nodad`);
  ip('link set up0 up');
  const far = (command: readonly string[]) => inNamespaceOf(machine.pid ?? 0, command);
  for (const line of [
    `address add ${FAR_IP}/24 dev up1`,
    `-6 address add ${FAR_IP6}/64 dev up1 nodad`,
    'link set up1 up',
  ]) {
    far(['ip', ...line.split(' ')]);
  }
  ip(`route add default via ${FAR_IP}`);
  ip(`-6 route add default via ${FAR_IP6}`);
  return { far, traces, [Symbol.dispose]: () => void machine.kill('SIGKILL') };
}

function startMachine(): ChildProcess {
  return inNetworkNamespace('new', () => {
    setInterfaceUp('lo');
    // It serves /etc, so that there is something to fetch.
    return spawn('busybox', ['httpd', '-f', '-p', '80', '-h', '/etc'], { stdio: 'ignore' });
  });
}

/** Runs a command in the network namespace of a process. */
export function inNamespaceOf(pid: number, [file = '', ...args]: readonly string[]): Answer {
  return inNetworkNamespace({ path: `/proc/${pid}/ns/net` }, () =>
    spawnSync(file, args, { encoding: 'utf8', timeout: 20_000 }),
  );
}

/** Starts a command in the network namespace of a process. */
export function startInNamespaceOf(
  pid: number,
  [file = '', ...args]: readonly string[],
): ChildProcess {
  return inNetworkNamespace({ path: `/proc/${pid}/ns/net` }, () =>
    spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

/** Runs ip(8) in the lab. */
export function ip(line: string): string {
  return execFileSync('ip', line.split(' '), { encoding: 'utf8' });
}

function traces(): string[] {
  const rules = ['iptables-save', 'ip6tables-save'].flatMap((program) =>
    execFileSync(program, { encoding: 'utf8' })
      .split('\n')
      // The first use of iptables makes the tables; no rule is in them.
      .filter((line) => line.startsWith('-A') || line.startsWith(':DRAY')),
  );
  const links = ip('-o link')
    .split('\n')
    .map((line) => line.split(':')[1]?.trim() ?? '');
  const nft = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' });
  return [...rules, ...links.filter(Boolean), ...nft.split('\n').filter((l) => l.includes('dray'))];
}
