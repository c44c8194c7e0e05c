// Broken consumers: receiving, sending, failures, records, the breaker, ownership.
import { edit, type Mutant } from './mutant.ts';

const consumer = (file: string) => `apps/delivery-consumer/src/${file}`;

export const consumerMutants: readonly Mutant[] = [
  // ── consumer: what is received ────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'an offset is done when its record is received',
    breaks: 'P2',
    edits: [edit('libs/lane/src/offsets.ts', 'this.#records[this.#head]!.isDone', 'true')],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'an offset is done before its deliveries are parked',
    breaks: 'P2',
    edits: [
      edit(
        consumer('journal.ts'),
        '    delivery.stored = true;\n',
        '    delivery.stored = true;\n    for (const position of delivery.positions.splice(0)) position.settle();\n',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'an offset is done before its success is on record',
    breaks: 'P2',
    edits: [
      edit(
        consumer('journal.ts'),
        '    this.#pending.batch.finished.push(',
        '    for (const position of delivery.positions.splice(0)) position.settle();\n    this.#pending.batch.finished.push(',
      ),
    ],
    world: 'everyday',
    seed: 4,
  },
  {
    name: 'a gap is no reason to wait',
    breaks: 'R3, R4: no gate',
    edits: [
      edit('libs/lane/src/lane.ts', "    if (sequence > next) return { kind: 'park', reason: 'gap' };\n", ''),
      edit(
        'libs/lane/src/lane.ts',
        'return head.sequence === null || head.sequence === this.delivered + 1 ? head : null;',
        'return head;',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'a record for a parked lane waits in memory',
    breaks: 'R4',
    edits: [
      edit('libs/lane/src/lane.ts', "    if (this.mode !== 'open') return { kind: 'park', reason: null };\n", ''),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'an unordered event that is terminal is sent again when it is read again',
    breaks: 'P6',
    edits: [edit(consumer('reception.ts'), 'if (inMemory || known.terminal.has(key)) {', 'if (inMemory) {')],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'another event under a sequence that is taken is a repeat',
    breaks: 'R4: sequence_conflict',
    edits: [
      edit(
        consumer('claims.ts'),
        "else if (judged.verdict === 'conflict') this.#onConflict(claim);",
        "else if (judged.verdict === 'conflict') finish(claim);",
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'a record that can’t be read is dropped',
    breaks: 'C1',
    edits: [
      edit(
        consumer('reception.ts'),
        '    outgoing.deadLetterRecord(partition.number, record, reason, () => {\n',
        '    ((done: () => void) => done())(() => {\n',
      ),
    ],
    world: 'everyday',
    seed: 3,
  },
  {
    name: 'a record that comes after its sequence was skipped vanishes',
    breaks: 'P2',
    edits: [edit(consumer('claims.ts'), 'else this.#recordSkip(claim, judged.reason);', 'else finish(claim);')],
    world: 'crowd',
    seed: 60,
  },
  // ── consumer: what is sent ────────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'no lease is needed to send',
    breaks: 'R2, R3',
    edits: [
      edit(
        consumer('partition.ts'),
        "return this.phase === 'owned' && now < this.leaseUntil - LEASE_MARGIN_MS;",
        "return this.phase === 'owned' && now < Infinity;",
      ),
    ],
    world: 'everyday',
    seed: 603,
  },
  {
    name: 'a lost epoch goes on',
    breaks: 'R2',
    edits: [
      edit(
        consumer('dispatcher.ts'),
        'if (!result.owned.has(number) && partition) this.#lose(partition);',
        'if (!result.owned.has(number) && partition?.number === -1) this.#lose(partition);',
      ),
    ],
    world: 'everyday',
    seed: 3,
  },
  {
    name: 'requests go on while successes are not recorded',
    breaks: 'R5',
    edits: [
      edit(
        consumer('context.ts'),
        'context.journal.oldestFinishAgeMs(now) < context.options.maxUnrecordedMs',
        'context.journal.oldestFinishAgeMs(now) < Infinity',
      ),
    ],
    world: 'everyday',
    seed: 10,
  },
  {
    name: 'the body is printed anew',
    breaks: 'P5',
    edits: [
      edit(
        consumer('attempt.ts'),
        'payload: event.payload,',
        'payload: Buffer.from(JSON.stringify(JSON.parse(event.payload.toString()))),',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'one request more than the endpoint allows',
    breaks: 'limits in flight',
    edits: [
      edit(
        consumer('scheduler.ts'),
        'if (endpoint.inFlight >= endpoint.maxConcurrency) return undefined;',
        'if (endpoint.inFlight > endpoint.maxConcurrency) return undefined;',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'one request more than the process allows',
    breaks: 'limits in flight',
    edits: [
      edit(
        consumer('scheduler.ts'),
        'while (this.#inFlight < this.#limits.maxInFlight) {',
        'while (this.#inFlight <= this.#limits.maxInFlight) {',
      ),
      edit(consumer('scheduler.ts'), 'if (tenant.inFlight >= this.#limits', 'if (tenant.inFlight > this.#limits'),
    ],
    world: 'everyday',
    seed: 2,
  },
  {
    name: 'nothing expires',
    breaks: 'expiry',
    edits: [edit(consumer('runner.ts'), 'if (expiresAfterMs && this', 'if (expiresAfterMs === 0 && this')],
    world: 'crowd',
    seed: 1,
  },
  {
    name: 'a paused endpoint is sent to',
    breaks: 'endpoint life',
    edits: [
      edit(consumer('runner.ts'), "    if (endpoint.isPaused) return { kind: 'closed' };\n", ''),
      edit(consumer('endpoint-state.ts'), 'return this.isPaused || (this', 'return (this'),
    ],
    world: 'everyday',
    seed: 65,
  },
  {
    name: 'the slot of a lane that can’t go on is given to nobody',
    breaks: 'P7',
    edits: [
      edit(
        consumer('runner.ts'),
        "      // Also when this one can't go on: the slot is free for others.\n      this.#pumpSoon();\n",
        '',
      ),
    ],
    world: 'everyday',
    seed: 2,
  },
  // ── consumer: failures ────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'a retry is due at once',
    breaks: 'C10',
    edits: [
      edit(
        consumer('transitions.ts'),
        'lane.nextAttemptAt = this.#context.databaseClock.latest() + delayMs;',
        'lane.nextAttemptAt = this.#now() + 0 * delayMs;',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'Retry-After is ignored',
    breaks: 'C10',
    edits: [
      edit(
        'libs/lane/src/schedule.ts',
        'Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)',
        '0 * Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)',
      ),
    ],
    world: 'everyday',
    seed: 3,
  },
  {
    name: 'a ticket is the truth',
    breaks: 'R8',
    edits: [
      edit(
        consumer('retries.ts'),
        "if (lane.mode === 'parked' && partitionIfFresh(lane.partition, lane.key)) this.#runner.adopt(lane);",
        "if (lane.mode === 'parked' && partitionIfFresh(lane.partition, lane.key)) this.#runner.adopt(lane, true);",
      ),
    ],
    world: 'everyday',
    seed: 222,
  },
  {
    name: 'nobody sweeps',
    breaks: 'R11',
    edits: [
      edit(
        consumer('retries.ts'),
        'if (isSweep) await this.#sweep(partitions, now);',
        'if (isSweep) this.#sweepAt = now + this.#context.options.sweepIntervalMs;',
      ),
    ],
    world: 'everyday',
    seed: 2,
  },
  {
    name: 'a lane re-opens while a park write is on its way',
    breaks: 'R9',
    edits: [
      edit(consumer('runner.ts'), '      if (lane.parksPending > 0) return false;\n', ''),
      edit(consumer('runner.ts'), '      if (!isProof || lane.parksBegun !== parksBegun) continue;\n', ''),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'a page that was read before the head’s failure was written is used',
    breaks: 'P8: stale reading',
    edits: [
      edit(consumer('runner.ts'), "    if (lane.mode === 'parked' && lane.headWritesPending > 0) return false;\n", ''),
    ],
    world: 'everyday',
    seed: 309,
  },
  {
    name: 'the next one starts before a skip is on record',
    breaks: 'P3',
    edits: [
      edit(
        consumer('transitions.ts'),
        'return isUnordered || this.#holdUntilCommitted(partition, lane);',
        'return true;',
      ),
    ],
    world: 'everyday',
    seed: 3,
  },
  {
    name: 'a head that used up its attempts is tried for ever',
    breaks: 'R10',
    edits: [
      edit(
        'libs/lane/src/schedule.ts',
        'return failures > policy.maxRetries;',
        'return failures > policy.maxRetries + 1e6;',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'a dead letter that Kafka refused is forgotten',
    breaks: 'R10',
    edits: [
      edit(
        consumer('outgoing.ts'),
        'const deadLetters = this.#deadLetters.slice(0, 100);',
        'const deadLetters = this.#deadLetters.splice(0, 100);',
      ),
      edit(consumer('outgoing.ts'), '      this.#deadLetters.splice(0, deadLetters.length);\n', ''),
    ],
    world: 'everyday',
    seed: 77,
  },
  {
    name: 'no dead letter for a lane that halts',
    breaks: 'R10',
    edits: [edit(consumer('transitions.ts'), '        outgoing.deadLetterDelivery(head, reason);\n', '')],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'operator commands are not looked for',
    breaks: 'R11',
    edits: [
      edit(
        consumer('retries.ts'),
        'if (isSweep || this.#hasCommands) await this.#applyCommands(partitions);',
        'this.#hasCommands = false;',
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'an operator’s skip takes whatever is the head',
    breaks: 'R10',
    edits: [
      edit(
        consumer('retries.ts'),
        "lane.mode === 'open' || command.sequence !== lane.delivered + 1",
        "lane.mode === 'open'",
      ),
    ],
    world: 'everyday',
    seed: 15,
  },
  // ── consumer: records ─────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'failed attempts are not recorded',
    breaks: 'P8',
    edits: [
      edit(
        consumer('runner.ts'),
        'if (row) this.#context.journal.attempt(row);',
        "if (row?.outcome === 'success') this.#context.journal.attempt(row);",
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'an answer that was lost is a failure on record',
    breaks: 'P8',
    edits: [
      edit(
        consumer('attempt.ts'),
        "outcome: outcome.kind === 'success' ? 'success' : isUnknown ? 'unknown' : 'failure',",
        "outcome: outcome.kind === 'success' ? 'success' : 'failure',",
      ),
    ],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'any answer is a success',
    breaks: 'P8',
    edits: [edit('libs/lane/src/outcome.ts', 'statusCode >= 200 && statusCode < 300', 'statusCode >= 200')],
    world: 'everyday',
    seed: 1,
  },
  {
    name: 'a take-over says nothing of attempts without a record',
    breaks: 'P8',
    edits: [
      edit(
        consumer('attempt.ts'),
        'delivery.attemptsEpoch !== epoch && partition.mayHaveBeenTried(delivery)',
        'delivery.attemptsEpoch > epoch && partition.mayHaveBeenTried(delivery)',
      ),
    ],
    world: 'everyday',
    seed: 3,
  },
  {
    name: 'a clean hand-over hides that the owner before it died',
    breaks: 'P8',
    edits: [
      edit(
        consumer('dispatcher.ts'),
        'partition.lastUnclean = uncleanAt === null ?',
        'partition.lastUnclean = uncleanAt === null || isClean ?',
      ),
    ],
    world: 'everyday',
    seed: 221,
  },
  // ── consumer: breaker ─────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'the breaker never opens',
    breaks: 'P7',
    edits: [
      edit(
        'libs/lane/src/circuit-breaker.ts',
        'this.#failedLanes.size < lanesToOpen',
        'this.#failedLanes.size < Infinity',
      ),
    ],
    world: 'crowd',
    seed: 3,
  },
  {
    name: 'the breaker never probes',
    breaks: 'P2',
    edits: [
      edit(
        'libs/lane/src/circuit-breaker.ts',
        "if (now < this.#openUntil || this.#probing) return 'no';",
        "if (now < Infinity || this.#probing) return 'no';",
      ),
    ],
    world: 'crowd',
    seed: 3,
  },
  {
    name: 'the breaker probes with all lanes at once',
    breaks: 'P7',
    edits: [
      edit(
        'libs/lane/src/circuit-breaker.ts',
        "if (now < this.#openUntil || this.#probing) return 'no';",
        "if (now < this.#openUntil) return 'no';",
      ),
    ],
    world: 'crowd',
    seed: 4,
  },
  {
    name: 'a failed probe does not shut the breaker again',
    breaks: 'P7',
    edits: [edit('libs/lane/src/circuit-breaker.ts', '      this.#failedProbes++;\n      this.#open(now);\n', '')],
    world: 'crowd',
    seed: 3,
  },
  // ── consumer: ownership ───────────────────────────────────────────────────────────────────────────────────────────
  {
    name: 'a lease is given back before its requests have ended and are on record',
    breaks: 'R12',
    edits: [
      edit(
        consumer('dispatcher.ts'),
        "partition.phase === 'leaving' && partition.inFlight === 0 && !journal.concerns(partition.number)",
        "partition.phase === 'leaving' && (partition.inFlight >= 0 || !journal.concerns(partition.number))",
      ),
    ],
    world: 'everyday',
    seed: 10,
  },
  {
    name: 'a lost partition that is still assigned is not read anew',
    breaks: 'P2',
    edits: [
      edit(
        consumer('dispatcher.ts'),
        'if (isAssigned) log.rewind',
        'if (isAssigned && partition.number < 0) log.rewind',
      ),
    ],
    world: 'everyday',
    seed: 21,
  },
  {
    name: 'what a lost partition left in the journal is written under the next epoch',
    breaks: 'R2',
    edits: [edit(consumer('dispatcher.ts'), '    this.#context.journal.forget(partition.number);\n', '')],
    world: 'everyday',
    seed: 75,
  },
  {
    name: 'leases are not renewed while nothing happens',
    breaks: 'R2',
    edits: [
      edit(
        consumer('dispatcher.ts'),
        'if (owned.length > 0 && (isRenewal || !journal.isEmpty)) {',
        'if (owned.length > 0 && !journal.isEmpty) {',
      ),
    ],
    world: 'everyday',
    seed: 2,
  },
];
