//! What to do with a frame whose batch has failed: whoever carries frames to the sender and back asks here.

use crate::error::{ErrorCode, ErrorKind, Failure, Persisted};

/// Whether a batch may be taken later that was not taken now, and so is to be [put back](super::Spool::put_back): it failed for
/// any reason but that it is what it is.
#[must_use]
pub fn may_pass(failure: &Failure) -> bool {
    match failure.kind {
        ErrorKind::Broker(code) => {
            failure.is_retriable()
                || failure.persisted == Persisted::Possibly
                || matches!(
                    code,
                    ErrorCode::TOPIC_AUTHORIZATION_FAILED
                        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                        | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                        | ErrorCode::SASL_AUTHENTICATION_FAILED
                )
        }
        _ => true,
    }
}

/// Whether a broker does not know, or not take, the numbers that a batch has: then they are to be
/// [renounced](super::Spool::renounce).
#[must_use]
pub const fn refuses_numbers(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        ErrorKind::Broker(
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::INVALID_PRODUCER_EPOCH
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::INVALID_PRODUCER_ID_MAPPING
        )
    )
}
