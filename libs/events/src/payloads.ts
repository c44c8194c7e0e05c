// Payload types of the catalogue, generated from its JSON Schemas by ../generate.ts: change those, not this file.

/**
 * An application was approved and is ready for signing.
 */
interface SigningSessionCreated {
  /**
   * The event's own name.
   */
  eventType: 'SIGNING_SESSION_CREATED';
  /**
   * The onboarding; events of one onboarding arrive in order.
   */
  onboardingId: string;
  /**
   * Where the applicant signs; carries a token, so treat it as a secret.
   */
  signingUrl: string;
  [k: string]: unknown;
}

/**
 * The documents were signed.
 */
interface SigningSessionCompleted {
  /**
   * The event's own name.
   */
  eventType: 'SIGNING_SESSION_COMPLETED';
  /**
   * The onboarding; events of one onboarding arrive in order.
   */
  onboardingId: string;
  [k: string]: unknown;
}

/**
 * The onboarding is finished.
 */
interface OnboardingCompleted {
  /**
   * The event's own name.
   */
  eventType: 'ONBOARDING_COMPLETED';
  /**
   * The onboarding; events of one onboarding arrive in order.
   */
  onboardingId: string;
  /**
   * The engagement that came out of the onboarding.
   */
  engagementId: string;
  [k: string]: unknown;
}

/**
 * The application was declined in the assessment.
 */
interface OnboardingRejected {
  /**
   * The event's own name.
   */
  eventType: 'ONBOARDING_REJECTED';
  /**
   * The onboarding; events of one onboarding arrive in order.
   */
  onboardingId: string;
  /**
   * Why the application was declined.
   */
  rejectReason: 'KYC_DENIAL' | 'KYB_DENIAL' | 'CREDIT_SCORING_DENIAL' | 'UNAUTHORIZED_SIGNATORY' | 'INVALID_DOCUMENTS';
  [k: string]: unknown;
}

/**
 * The onboarding ended with a technical error.
 */
interface OnboardingFailed {
  /**
   * The event's own name.
   */
  eventType: 'ONBOARDING_FAILED';
  /**
   * The onboarding; events of one onboarding arrive in order.
   */
  onboardingId: string;
  /**
   * What went wrong technically.
   */
  failureCode: 'INTERNAL_ERROR' | 'ADDRESS_MISMATCH' | 'NAME_MISMATCH' | 'ID_VERIFICATION_FAILED' | 'TIMEOUT';
  [k: string]: unknown;
}

/**
 * A card holder was accepted or rejected by the issuer.
 */
interface UserCreateResult {
  /**
   * The card holder at the issuer.
   */
  user_id: string;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * Why the user was rejected.
   */
  message?: string;
  [k: string]: unknown;
}

/**
 * An application for a card was decided.
 */
interface CardApplyResult {
  /**
   * The card product.
   */
  template_id: string;
  /**
   * The card holder at the issuer.
   */
  user_id: string;
  /**
   * The card at the issuer.
   */
  card_id?: string;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * The activation of a card succeeded or failed.
 */
interface CardActivateResult {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The card number, masked by the issuer.
   */
  card_number: string;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * The assignment of a card to a user succeeded or failed.
 */
interface CardAssignResult {
  /**
   * The card holder at the issuer.
   */
  user_id: string;
  /**
   * The outcome.
   */
  status: 'SUCCESS' | 'FAILED';
  /**
   * The card, when the assignment succeeded.
   */
  card_id?: string;
  /**
   * Why the assignment failed.
   */
  error_reason?: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * A card was locked or unlocked.
 */
interface CardStatusChange {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * The card's state from now on.
   */
  card_status: 'LOCKED' | 'ACTIVE';
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * A top-up of a card succeeded or failed.
 */
interface CardRechargeResult {
  /**
   * The card product.
   */
  template_id: string;
  /**
   * The card holder at the issuer.
   */
  user_id: string;
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The transaction at the issuer.
   */
  transaction_id: string;
  /**
   * What was credited to the card. As the issuer sends it: never re-encoded.
   */
  receive_amount: string | number;
  /**
   * The currency, usually an ISO 4217 code.
   */
  currency: string;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * A description, for people.
   */
  description?: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * A card was closed and its balance refunded.
 */
interface CardCloseResult {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The transaction at the issuer.
   */
  transaction_id: string;
  /**
   * What was paid back when the card was closed. As the issuer sends it: never re-encoded.
   */
  refund_amount: string | number;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * A card was used.
 */
interface TransactionCreated {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The transaction at the issuer.
   */
  transaction_id: string;
  /**
   * The amount. As the issuer sends it: never re-encoded.
   */
  amount: string | number;
  /**
   * The currency, usually an ISO 4217 code.
   */
  currency: string;
  /**
   * The outcome, in the issuer's words.
   */
  status: string;
  /**
   * The merchant.
   */
  merchant_name?: string;
  /**
   * A description, for people.
   */
  description?: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * An earlier transaction of a card was corrected.
 */
interface CardCorrection {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The transaction at the issuer.
   */
  transaction_id: string;
  /**
   * The amount. As the issuer sends it: never re-encoded.
   */
  amount: string | number;
  /**
   * The currency, usually an ISO 4217 code.
   */
  currency: string;
  /**
   * A description, for people.
   */
  description?: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * A card holder must confirm an online payment now.
 */
interface Card3ds {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * The transaction at the issuer.
   */
  transaction_id?: string;
  /**
   * The amount. As the issuer sends it: never re-encoded.
   */
  amount?: string | number;
  /**
   * The currency, usually an ISO 4217 code.
   */
  currency?: string;
  /**
   * The merchant.
   */
  merchant_name?: string;
  /**
   * A one-time code: a secret.
   */
  verification_code?: string;
  /**
   * Where the card holder confirms the payment: may carry a token.
   */
  url?: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/**
 * A card holder needs a verification code now.
 */
interface CardVerification {
  /**
   * The card at the issuer.
   */
  card_id: string;
  /**
   * A one-time code: a secret.
   */
  verification_code?: string;
  /**
   * How the code reaches the card holder otherwise.
   */
  channel?: string;
  /**
   * When it happened, in milliseconds since 1970.
   */
  occur_time: number;
  [k: string]: unknown;
}

/** Event type → its payload. */
export interface EventPayloads {
  SIGNING_SESSION_CREATED: SigningSessionCreated;
  SIGNING_SESSION_COMPLETED: SigningSessionCompleted;
  ONBOARDING_COMPLETED: OnboardingCompleted;
  ONBOARDING_REJECTED: OnboardingRejected;
  ONBOARDING_FAILED: OnboardingFailed;
  USER_CREATE_RESULT: UserCreateResult;
  CARD_APPLY_RESULT: CardApplyResult;
  CARD_ACTIVATE_RESULT: CardActivateResult;
  CARD_ASSIGN_RESULT: CardAssignResult;
  CARD_STATUS_CHANGE: CardStatusChange;
  CARD_RECHARGE_RESULT: CardRechargeResult;
  CARD_CLOSE_RESULT: CardCloseResult;
  TRANSACTION_CREATED: TransactionCreated;
  CARD_CORRECTION: CardCorrection;
  CARD_3DS: Card3ds;
  CARD_VERIFICATION: CardVerification;
}
