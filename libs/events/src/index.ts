// Front door of events: the catalogue of event types, their checks and masks, and the record an event is on the log.
export { catalogue, eventTypeLabel, findEventType } from './catalogue.ts';
export type { CodeMeaning, CodeMeanings, EventType } from './event-type.ts';
export { decodeRecord, type DecodedRecord } from './decode-record.ts';
export { type CommittedEvent, encodeCommitted, encodeRecord, type EncodedRecord } from './encode-record.ts';
export { MASK, maskPayload } from './mask.ts';
export { type CodeExplanation, explainCode } from './explain-code.ts';
export type { EventPayloads } from './payloads.ts';
export type { LogHeader, LogRecord, Target, WaybillEvent } from './event.ts';
export { searchKeys, type SearchKeys, streamIdOf } from './search-keys.ts';
