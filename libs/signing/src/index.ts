// The front door of signing: what an endpoint's format does to a request, and how a receiver undoes it.
export { FORMATS, SECRET_ENCODINGS, type Format, type ReceivedHeaders, type SecretEncoding } from './formats.ts';
export { generateSecret, secretFault } from './secrets.ts';
export { SigningFault } from './keys.ts';
export { signRequest, type SignedRequest, type SigningInput } from './sign-request.ts';
export { verifySignedJson } from './signed-json.ts';
export { verifyStandardWebhook } from './standard-webhooks.ts';
export { decryptEnvelope } from './encrypted-envelope.ts';
export { type Verdict, type VerifyInput } from './verification.ts';
