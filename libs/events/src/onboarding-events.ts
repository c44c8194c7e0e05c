// The onboarding family: an application's way to signature, completion, rejection or failure.
import { describedBy, type CodeMeanings, type EventType } from './event-type.ts';
import completed from './catalogue/onboarding-completed.schema.json' with { type: 'json' };
import failed from './catalogue/onboarding-failed.schema.json' with { type: 'json' };
import rejected from './catalogue/onboarding-rejected.schema.json' with { type: 'json' };
import signed from './catalogue/signing-session-completed.schema.json' with { type: 'json' };
import readyToSign from './catalogue/signing-session-created.schema.json' with { type: 'json' };

const onboardingId = '3f6f6c1e-7a0b-4d55-9c3e-2b1a5f0d8e47';
const family = {
  family: 'onboarding',
  ordering: 'stream',
  expiresAfterMs: null,
  streamKey: ['onboardingId'],
} as const;

const rejectReasons: CodeMeanings = {
  field: 'rejectReason',
  codes: {
    KYC_DENIAL: {
      means: 'The identity check of a person (know your customer) did not pass, or a screening list had a match.',
      customerCan:
        'Ask support which check it was; apply again with a valid identity document. A confirmed list match is final.',
    },
    KYB_DENIAL: {
      means:
        'The check of the company (know your business) did not pass: register data, ownership or line of business.',
      customerCan: 'Bring the company register and the list of beneficial owners up to date, then apply again.',
    },
    CREDIT_SCORING_DENIAL: {
      means: 'Insufficient creditworthiness by bureau data.',
      customerCan:
        'Apply again after 3 months; meanwhile ask the credit bureau for a copy of its data and have errors corrected.',
    },
    UNAUTHORIZED_SIGNATORY: {
      means: 'The person who was to sign may not represent the company, or not alone.',
      customerCan: 'Apply again with an authorised signatory, or add the co-signatory or a power of attorney.',
    },
    INVALID_DOCUMENTS: {
      means: 'A document was unreadable, incomplete, expired, or not of the kind that was asked for.',
      customerCan: 'Apply again with complete, legible and current documents.',
    },
  },
};

const failureCodes: CodeMeanings = {
  field: 'failureCode',
  codes: {
    INTERNAL_ERROR: {
      means: 'A system on our side failed; the application itself was not judged.',
      customerCan: 'Nothing is wrong with the data: try again later, and call support if it fails again.',
    },
    ADDRESS_MISMATCH: {
      means: 'The address given differs from the one on the documents or in the register.',
      customerCan: 'Correct the address, or add a proof of address that is not older than 3 months, and start again.',
    },
    NAME_MISMATCH: {
      means: 'The name given differs from the one on the identity document.',
      customerCan: 'Start again with the name exactly as the document shows it, with all given names.',
    },
    ID_VERIFICATION_FAILED: {
      means: 'The identity document could not be verified, or the person in front of the camera could not be matched.',
      customerCan: 'Repeat the identification with an undamaged, valid document, in good light.',
    },
    TIMEOUT: {
      means: 'A step was not finished in time, by the applicant or by a partner’s system.',
      customerCan: 'Start the onboarding again; what was uploaded has to be uploaded once more.',
    },
  },
};

export const onboardingEvents: readonly EventType[] = [
  {
    ...describedBy(readyToSign),
    ...family,
    sample: {
      eventType: 'SIGNING_SESSION_CREATED',
      onboardingId,
      signingUrl: 'https://sign.example.com/s/8b1f?token=sample',
    },
  },
  { ...describedBy(signed), ...family, sample: { eventType: 'SIGNING_SESSION_COMPLETED', onboardingId } },
  {
    ...describedBy(completed),
    ...family,
    sample: { eventType: 'ONBOARDING_COMPLETED', onboardingId, engagementId: 'c2a9d1f4-5b7e-4e0a-8f36-91d0b7a4c5e2' },
  },
  {
    ...describedBy(rejected),
    ...family,
    sample: { eventType: 'ONBOARDING_REJECTED', onboardingId, rejectReason: 'CREDIT_SCORING_DENIAL' },
    meanings: rejectReasons,
  },
  {
    ...describedBy(failed),
    ...family,
    sample: { eventType: 'ONBOARDING_FAILED', onboardingId, failureCode: 'ADDRESS_MISMATCH' },
    meanings: failureCodes,
  },
];
