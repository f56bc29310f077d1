/** Bringing the rules into the kernel: one program is started for each IP version. */
import { EngineError } from '../errors.ts';
import { runToCompletion } from '../host/process.ts';
import { isProgram } from '../host/program.ts';
import { iptablesTexts, nftText, type RuleSet } from './rules.ts';

const DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/usr/bin', '/bin'];
const TIMEOUT_MS = 60_000;
const LARGEST_ANSWER_BYTES = 1024 * 1024;

/**
 * Replaces all of our rules by `rules`. iptables is preferred to nft: where docker or a firewall has
 * a policy of dropping, only a rule in their own table can let something pass.
 *
 * @param had whether IPv6 rules may be there from before
 * @param directories where the programs are looked for
 * @throws EngineError `HOST_UNSUPPORTED` when the host has neither, `NETWORK_FAILED` with the words of
 *   the program
 */
export async function applyRules(
  rules: RuleSet,
  had: { readonly ipv6: boolean },
  directories: readonly string[] = DIRECTORIES,
): Promise<void> {
  const restore4 = findProgram('iptables-restore', directories);
  if (restore4 === undefined) {
    await applyWithNft(rules, directories);
    return;
  }
  const hasIPv6 = had.ipv6 || rules.networks.some(({ subnet6 }) => subnet6 !== undefined);
  const restore6 = hasIPv6 ? findProgram('ip6tables-restore', directories) : undefined;
  await Promise.all([
    applyWithIptables(restore4, iptablesTexts(rules, 4)),
    ...(restore6 === undefined ? [] : [applyWithIptables(restore6, iptablesTexts(rules, 6))]),
  ]);
}

/** Whether our chains are there is found out by trying: it is rarely wrong, and asking costs as much. */
async function applyWithIptables(
  program: string,
  { again, first }: { readonly again: string; readonly first: string },
): Promise<void> {
  const argv = [program, '--wait', '--noflush'];
  const failure = await feed(argv, again);
  if (failure === undefined || first === '') return;
  const second = await feed(argv, first);
  if (second !== undefined) throw second;
}

async function applyWithNft(rules: RuleSet, directories: readonly string[]): Promise<void> {
  const nft = findProgram('nft', directories);
  if (nft === undefined) {
    throw new EngineError(
      'HOST_UNSUPPORTED',
      'networks need iptables or nft, and neither is there',
      {
        hint: 'Install one: apt-get install iptables. Without it, use --network none or --network host.',
      },
    );
  }
  const failure = await feed([nft, '-f', '-'], nftText(rules));
  if (failure !== undefined) throw failure;
}

async function feed(argv: readonly string[], text: string): Promise<EngineError | undefined> {
  const { status, stderr } = await runToCompletion(argv, {
    env: { PATH: DIRECTORIES.join(':') },
    stdin: text,
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: LARGEST_ANSWER_BYTES,
    cwd: '/',
  });
  if (status === 0) return undefined;
  const words = stderr.toString('utf8').trim().split('\n').slice(0, 3).join(' ');
  return new EngineError(
    'NETWORK_FAILED',
    `${argv[0]} refused the rules of the networks: ${words}`,
  );
}

function findProgram(name: string, directories: readonly string[]): string | undefined {
  return directories.map((directory) => `${directory}/${name}`).find(isProgram);
}
