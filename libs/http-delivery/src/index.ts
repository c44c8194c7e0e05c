// The front door of http-delivery: where webhooks may go, and how one request goes there.
export {
  AddressGuard,
  BLOCK_REASONS,
  type BlockReason,
  type GuardOptions,
  type Target,
  type UrlFault,
  type UrlFaultCode,
  type UrlVerdict,
} from './address-guard.ts';
export { ERROR_CLASSES, type ErrorClass } from './errors.ts';
export { type HttpResult } from './exchange.ts';
export { HttpSender, type HttpRequest, type HttpSenderOptions } from './http-sender.ts';
export { authHeaderFault } from './request-headers.ts';
export { type Resolve } from './resolver.ts';
