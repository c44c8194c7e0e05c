// The built processes of a whole Waybill and the sample service: how each is started and where it says that it is ready.
import { serviceCommand } from '../../../../deploy/local/index.ts';
import type { Program } from './children.ts';
import type { Credentials, Ports, Servers } from './setting.ts';

/** A service and the port of its /health/ready. */
export interface ServiceProgram extends Program {
  managementPort: number;
}

const LOOPBACK = '127.0.0.0/8';

export const buildProgram: Program = {
  name: 'build',
  args: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
  env: {},
};

export function migrateProgram(servers: Servers): Program {
  const { args, env } = serviceCommand('migrate');
  return { name: 'migrate', args, env: { ...servers, ...env } };
}

export function servicePrograms(setting: {
  servers: Servers;
  credentials: Credentials;
  ports: Ports;
  /** WAYBILL_ALLOWED_TARGET_CIDRS of the environment: the receiver's block is added. */
  allowedCidrs: string;
}): ServiceProgram[] {
  const { servers, credentials, ports, allowedCidrs } = setting;
  const common = {
    ...servers,
    ...credentials,
    WAYBILL_ALLOW_HTTP_TARGETS: 'true',
    WAYBILL_ALLOWED_TARGET_CIDRS: [allowedCidrs, LOOPBACK].filter((text) => text !== '').join(','),
    MANAGEMENT_HOST: '127.0.0.1',
    HTTP_HOST: '127.0.0.1',
  };
  const service = (name: string, managementPort: number, httpPort?: number): ServiceProgram => {
    const { args, env } = commandOf(name);
    const own = {
      MANAGEMENT_PORT: String(managementPort),
      ...(httpPort === undefined ? {} : { HTTP_PORT: String(httpPort) }),
    };
    return { name, args, managementPort, env: { ...common, ...own, ...env } };
  };
  return [
    service('outbox-relay', ports.management.relay),
    service('delivery-consumer', ports.management.consumer),
    service('status-service', ports.management.status, ports.api),
    service('onboarding-demo', ports.management.service, ports.service),
  ];
}

/** The sample service is no part of a deployment and has no script of its own. */
function commandOf(name: string): { args: readonly string[]; env: Record<string, string> } {
  if (name === 'onboarding-demo') return { args: ['--enable-source-maps', `dist/apps/${name}/src/main.js`], env: {} };
  return serviceCommand(`start:${name}`);
}
