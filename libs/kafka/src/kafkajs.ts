// kafkajs with our code in the place of its slowest; whatever of it runs here comes from this file.
import type * as KafkaJs from 'kafkajs';
import { createRequire } from 'node:module';
import { installFasterFetch } from './faster-fetch.ts';
import { installFasterFraming } from './faster-framing.ts';
import { installFasterProduce } from './faster-produce.ts';

installFasterFetch();
installFasterProduce();
installFasterFraming();

// Loaded last: its connections keep hold of the framing that they find when they are loaded.
const kafkajs = createRequire(import.meta.url)('kafkajs') as typeof KafkaJs;

export const { AssignerProtocol, Kafka, logLevel } = kafkajs;
