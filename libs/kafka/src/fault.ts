// What can go wrong between us and Kafka, and whether the same call may succeed later.

/**
 * Code → retryable. "Retryable" means that waiting may cure it without a change to this process: brokers come back,
 * people grant rights. The rest needs another call, another record or another deployment.
 */
export const TransportFaults = {
  not_connected: true,
  timed_out: true,
  not_leader: true,
  topic_missing: true,
  not_enough_replicas: true,
  not_acknowledged: true,
  coordinator_unavailable: true,
  rebalancing: true,
  rejoin_requested: true,
  authentication_failed: true,
  not_authorized: true,
  broker_error: true,
  handler_failed: true,
  unexpected: true,
  record_too_large: false,
  record_refused: false,
  partition_count_mismatch: false,
  assignment_mismatch: false,
  unsupported_version: false,
  invalid_configuration: false,
  closed: false,
} as const satisfies Record<string, boolean>;

export type KafkaFaultCode = keyof typeof TransportFaults;

export class KafkaFault extends Error {
  override readonly name = 'KafkaFault';
  readonly code: KafkaFaultCode;
  readonly retryable: boolean;

  constructor(code: KafkaFaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = TransportFaults[code];
  }

  /** Kafka refused a record (or a batch of them) for its size; sending it again as it is can't succeed. */
  get tooLarge(): boolean {
    return this.code === 'record_too_large';
  }
}

/** Kafka's own error names (`ErrorCode` in its protocol guide) that mean more to us than "the broker said no". */
const BROKER_ERRORS: Readonly<Record<string, KafkaFaultCode>> = {
  MESSAGE_TOO_LARGE: 'record_too_large',
  RECORD_LIST_TOO_LARGE: 'record_too_large',
  INVALID_RECORD: 'record_refused',
  INVALID_TIMESTAMP: 'record_refused',
  LEADER_NOT_AVAILABLE: 'not_leader',
  NOT_LEADER_FOR_PARTITION: 'not_leader',
  FENCED_LEADER_EPOCH: 'not_leader',
  UNKNOWN_LEADER_EPOCH: 'not_leader',
  REPLICA_NOT_AVAILABLE: 'not_leader',
  UNKNOWN_TOPIC_OR_PARTITION: 'topic_missing',
  REQUEST_TIMED_OUT: 'timed_out',
  NETWORK_EXCEPTION: 'not_connected',
  BROKER_NOT_AVAILABLE: 'not_connected',
  NOT_ENOUGH_REPLICAS: 'not_enough_replicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'not_enough_replicas',
  GROUP_LOAD_IN_PROGRESS: 'coordinator_unavailable',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'coordinator_unavailable',
  NOT_COORDINATOR_FOR_GROUP: 'coordinator_unavailable',
  REBALANCE_IN_PROGRESS: 'rebalancing',
  ILLEGAL_GENERATION: 'rebalancing',
  UNKNOWN_MEMBER_ID: 'rebalancing',
  SASL_AUTHENTICATION_FAILED: 'authentication_failed',
  ILLEGAL_SASL_STATE: 'authentication_failed',
  UNSUPPORTED_SASL_MECHANISM: 'authentication_failed',
  TOPIC_AUTHORIZATION_FAILED: 'not_authorized',
  GROUP_AUTHORIZATION_FAILED: 'not_authorized',
  CLUSTER_AUTHORIZATION_FAILED: 'not_authorized',
  UNSUPPORTED_VERSION: 'unsupported_version',
  INVALID_TOPIC_EXCEPTION: 'invalid_configuration',
  INVALID_REPLICATION_FACTOR: 'invalid_configuration',
  INVALID_CONFIG: 'invalid_configuration',
  INVALID_SESSION_TIMEOUT: 'invalid_configuration',
  INVALID_GROUP_ID: 'invalid_configuration',
  POLICY_VIOLATION: 'invalid_configuration',
};

const CLIENT_ERRORS: Readonly<Record<string, KafkaFaultCode>> = {
  KafkaJSConnectionError: 'not_connected',
  KafkaJSConnectionClosedError: 'not_connected',
  KafkaJSBrokerNotFound: 'not_connected',
  KafkaJSNoBrokerAvailableError: 'not_connected',
  KafkaJSRequestTimeoutError: 'timed_out',
  KafkaJSTimeout: 'timed_out',
  KafkaJSLockTimeout: 'timed_out',
  KafkaJSMetadataNotLoaded: 'topic_missing',
  KafkaJSTopicMetadataNotLoaded: 'topic_missing',
  KafkaJSGroupCoordinatorNotFound: 'coordinator_unavailable',
  KafkaJSSASLAuthenticationError: 'authentication_failed',
  KafkaJSServerDoesNotSupportApiKey: 'unsupported_version',
};

interface ClientError {
  name?: string;
  type?: string;
  code?: unknown;
  message?: string;
  cause?: unknown;
  errors?: unknown[];
}

/** Our fault for whatever the client threw: the innermost cause decides, because kafkajs wraps each error several times. */
export function toKafkaFault(error: unknown): KafkaFault {
  if (error instanceof KafkaFault) return error;
  const root = rootCause(error as ClientError);
  if (root instanceof KafkaFault) return root;
  const message = root.message ?? String(error);
  return new KafkaFault(classify(root), message === '' ? 'unknown Kafka error' : message, error);
}

function rootCause(error: ClientError, depth = 0): ClientError {
  const inner = error.cause ?? error.errors?.[0];
  if (depth > 8 || typeof inner !== 'object' || inner === null || inner === error) return error;
  return rootCause(inner, depth + 1);
}

function classify({ name = '', type, message = '' }: ClientError): KafkaFaultCode {
  if (type !== undefined) return BROKER_ERRORS[type] ?? 'broker_error';
  // kafkajs reports a wrong password of SASL PLAIN and SCRAM as a plain error with this text.
  if (/SASL .*authentication failed/i.test(message)) return 'authentication_failed';
  // What kafkajs says of a client that is on its way out, and of one that lost every broker.
  if (/disconnect/i.test(message)) return 'not_connected';
  return CLIENT_ERRORS[name] ?? 'unexpected';
}
