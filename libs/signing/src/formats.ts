// The three formats an endpoint can choose, and the ways its secret can be written down.

export const FORMATS = ['signed-json', 'encrypted-envelope', 'standard-webhooks'] as const;
export type Format = (typeof FORMATS)[number];

/** How the text of an `encrypted-envelope` secret stands for key bytes. The other formats have one way each. */
export const SECRET_ENCODINGS = ['utf8', 'hex', 'base64'] as const;
export type SecretEncoding = (typeof SECRET_ENCODINGS)[number];

/** Request headers as a receiver has them: Node's `IncomingHttpHeaders` fits; names in any case. */
export type ReceivedHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;
