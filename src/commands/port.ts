import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { containerArg } from '../cli/container-args.ts';
import { portAddresses } from '../cli/network-fields.ts';
import { printLine } from '../cli/output.ts';
import { parseContainerPort } from '../cli/parse/publish.ts';

/** `dray port`. */
export default class Port extends BaseCommand {
  static override summary = 'Print where the ports of a container are published';
  static override enableJsonFlag = true;
  static override args = {
    container: containerArg,
    port: Args.string({ description: 'PORT[/PROTOCOL]: only this one', ignoreStdin: true }),
  };

  async run() {
    const { args, flags } = await this.parse(Port);
    const wanted = args.port === undefined ? undefined : parseContainerPort(args.port);
    const engine = await this.openEngine(flags);
    const { publishedPorts } = await import('../core/operations/network-list.ts');
    const ports = publishedPorts(engine, args.container, wanted);
    if (!this.jsonEnabled()) {
      for (const port of ports) {
        const label = `${port.containerPort}/${port.protocol} -> `;
        for (const address of portAddresses(port)) {
          printLine(`${wanted === undefined ? label : ''}${address}`);
        }
      }
    }
    return ports.map(({ protocol, hostIp, hostPort, containerPort }) => ({
      container_port: containerPort,
      protocol,
      host_ip: hostIp ?? '0.0.0.0',
      host_port: hostPort,
    }));
  }
}
