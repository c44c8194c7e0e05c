// What the dispatcher needs from the outside world: each port has one real form and can be replaced in a simulation.
import type {
  Acquired,
  Batch,
  CommitResult,
  DueDelivery,
  Judgement,
  LaneId,
  OpenCommand,
  Owned,
  PageRequest,
  SequenceClaim,
  UnorderedId,
} from '#deliveries';
import type { EndpointPolicy } from '#endpoints';
import type { HttpRequest, HttpResult } from '#http-delivery';
import type { CommitOffset, ProducedRecord } from '#kafka';
import type { Delivery, Lane } from '#lane';

/** The delivery database. Every call may throw a fault of PostgreSQL; instants are the database's, in ms since 1970. */
export interface DeliveryStore {
  databaseNow(): Promise<number>;
  acquire(leaseMs: number, partitions: readonly number[]): Promise<Acquired[]>;
  /** `onClock` gets the server's clock as soon as the fence has been read: the rest of the transaction takes its time. */
  commit(
    owned: readonly Owned[],
    renewMs: number | null,
    batch: Batch,
    onClock: (databaseNow: number) => void,
  ): Promise<CommitResult>;
  release(owned: readonly Owned[]): Promise<void>;
  findLanes(ids: readonly LaneId[]): Promise<Lane[]>;
  findDueLanes(query: DueQuery): Promise<Lane[]>;
  findProbeLane(partitions: readonly number[], endpointId: string): Promise<Lane | undefined>;
  findHaltedLanes(partitions: readonly number[], endpointId: string, limit: number): Promise<Lane[]>;
  findHaltedEndpoints(partitions: readonly number[]): Promise<string[]>;
  loadPages(requests: readonly PageRequest[], limit: number): Promise<Delivery[][]>;
  findDueUnordered(query: DueQuery): Promise<DueDelivery[]>;
  findUnordered(ids: readonly UnorderedId[]): Promise<{ waiting: DueDelivery[]; terminal: Set<string> }>;
  /** Those that are more than repeats. */
  judgeClaims(claims: readonly SequenceClaim[]): Promise<Judgement[]>;
  findOpenCommands(partitions: readonly number[], limit: number): Promise<OpenCommand[]>;
}

export interface DueQuery {
  partitions: readonly number[];
  closedEndpoints: readonly string[];
  until: number;
  limit: number;
}

/** Endpoints as they are configured now. */
export interface EndpointSource {
  /** Deleted ones included; an id that is missing in the answer never existed. */
  findPolicies(ids: readonly string[]): Promise<EndpointPolicy[]>;
  findChanged(knownRevision: (id: string) => number | undefined): Promise<EndpointPolicy[]>;
  pause(endpointId: string, reason: string): Promise<void>;
}

/** The log, as far as the dispatcher writes to it. */
export interface Log {
  produce(records: readonly ProducedRecord[]): Promise<void>;
  /** Never throws; offsets of partitions that are no longer assigned are left out. */
  commit(offsets: readonly CommitOffset[]): Promise<void>;
  pause(partition: number): void;
  resume(partition: number): void;
  /** Reads everything again from the committed offsets; what is known by then is ignored. */
  rewind(reason: string): void;
}

export interface Sender {
  send(request: HttpRequest): Promise<HttpResult>;
}
