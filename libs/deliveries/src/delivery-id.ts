// The public id of a delivery: endpoint and event in one opaque word, so that a record keeps its id wherever its row lies.

export interface DeliveryKey {
  endpointId: string;
  eventId: string;
}

const PREFIX = 'dlv_';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `dlv_` and the base64url of the endpoint's 16 bytes followed by the event's. */
export function deliveryId({ endpointId, eventId }: DeliveryKey): string {
  return PREFIX + Buffer.from((endpointId + eventId).replaceAll('-', ''), 'hex').toString('base64url');
}

/** What `deliveryId` was made of, or null for anything else. */
export function parseDeliveryId(id: string): DeliveryKey | null {
  if (!id.startsWith(PREFIX)) return null;
  const bytes = Buffer.from(id.slice(PREFIX.length), 'base64url');
  if (bytes.length !== 32) return null;
  const key = { endpointId: uuidOf(bytes.subarray(0, 16)), eventId: uuidOf(bytes.subarray(16)) };
  // Spellings that decode to the same bytes (padding, stray bits) are no ids: one record, one id.
  return deliveryId(key) === id ? key : null;
}

export const isUuid = (text: string): boolean => UUID.test(text);

function uuidOf(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
