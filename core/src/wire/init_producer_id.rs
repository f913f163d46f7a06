//! InitProducerId 0 to 5: the producer id and epoch under which batches are numbered.
//!
//! | version | request | answer |
//! |---|---|---|
//! | 0, 1 | transactional id, transaction timeout | throttle time, error code, producer id, epoch |
//! | 2 | tagged fields | tagged fields |
//! | 3 | also the producer id and epoch to go on with (KIP-360), -1 for new ones | as 2 |
//! | 4 | as 3 | error 90 is told apart |
//! | 5 | as 3 | error 120 is told apart |

use super::schema::{Op, Row};
use super::{ApiKey, Field, Full, Header};

/// The answer.
pub(super) const ANSWER: &[Row] = &[
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::I16(Field::ErrorCode)),
    Row::new(Op::I64(Field::ProducerId)),
    Row::new(Op::I16(Field::ProducerEpoch)),
];

/// Writes the whole request. Without a transactional id the timeout means nothing; producer id and epoch are -1 for a
/// new producer id, and do not exist before version 3.
pub(crate) fn encode(
    buf: &mut [u8],
    header: Header<'_>,
    transactional_id: Option<&str>,
    transaction_timeout_ms: i32,
    producer_id: i64,
    producer_epoch: i16,
) -> Result<usize, Full> {
    let version = header.version;
    header.frame(ApiKey::InitProducerId, buf, |writer, flexible| {
        writer.nullable_text(flexible, transactional_id);
        writer.i32(transaction_timeout_ms);
        if version >= 3 {
            writer.i64(producer_id);
            writer.i16(producer_epoch);
        }
        writer.no_tags(flexible);
    })
}
