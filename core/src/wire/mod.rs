//! Kafka's protocol as bytes: requests are encoded into fixed buffers, answers are decoded as they come.
//!
//! * `write`, `header`: primitives and the frame around every request.
//! * `field`, `schema`, `item`, `gather`, `decode`: an answer's layout is a table of rows; the decoder walks it and may be stopped and
//!   resumed at any byte.
//! * one file per API: its versions, its request, its answer's table. The layouts follow the message schemas that
//!   Kafka publishes (`clients/src/main/resources/common/message`), as of 4.3.1.
//!
//! Nothing here knows what an answer means.

pub(crate) mod api_versions;
mod decode;
pub(crate) mod describe_producers;
mod field;
mod gather;
mod header;
pub(crate) mod init_producer_id;
mod item;
pub(crate) mod metadata;
pub(crate) mod produce;
pub(crate) mod sasl;
mod schema;
#[cfg(test)]
mod tests;
#[cfg(feature = "transactions")]
pub(crate) mod transactions;
mod write;

use core::ops::RangeInclusive;

pub(crate) use api_versions::Versions;
pub(crate) use decode::Decoder;
pub(crate) use field::Field;
pub(crate) use header::Header;
pub(crate) use item::{Item, Progress, Value};
use schema::Row;
pub(crate) use write::Full;

/// Brokers before Kafka 2.8 are spoken to. Those from 2.8 on all know requests with tagged fields, and the third
/// ApiVersions: the code for others is left out without them.
pub(crate) const OLD_BROKERS: bool = cfg!(feature = "old-brokers");

/// The requests that felice sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiKey {
    Produce = 0,
    Metadata = 3,
    #[cfg(feature = "transactions")]
    FindCoordinator = 10,
    SaslHandshake = 17,
    ApiVersions = 18,
    InitProducerId = 22,
    #[cfg(feature = "transactions")]
    AddPartitionsToTxn = 24,
    #[cfg(feature = "transactions")]
    AddOffsetsToTxn = 25,
    #[cfg(feature = "transactions")]
    EndTxn = 26,
    #[cfg(feature = "transactions")]
    TxnOffsetCommit = 28,
    SaslAuthenticate = 36,
    DescribeProducers = 61,
}

impl ApiKey {
    /// Kafka's number of the request.
    pub(crate) const fn number(self) -> i16 {
        self as i16
    }

    /// The versions that felice speaks. ApiVersions is spoken in version 0 as well, but that one is not negotiated: it
    /// is what is left when a broker refuses the others.
    pub(crate) const fn versions(self) -> RangeInclusive<i16> {
        match self {
            Self::Produce if OLD_BROKERS => 7..=13,
            Self::Produce => 9..=13,
            Self::Metadata if OLD_BROKERS => 7..=13,
            Self::Metadata => 11..=13,
            Self::ApiVersions if OLD_BROKERS => 3..=4,
            Self::ApiVersions => 3..=3,
            Self::InitProducerId if OLD_BROKERS => 0..=5,
            Self::InitProducerId => 4..=5,
            // Version 0 is followed by bytes without any frame, as long ago.
            Self::SaslHandshake => 1..=1,
            Self::SaslAuthenticate if OLD_BROKERS => 0..=2,
            Self::SaslAuthenticate => 2..=2,
            Self::DescribeProducers => 0..=0,
            #[cfg(feature = "transactions")]
            Self::FindCoordinator => 3..=6,
            // Later versions are for brokers only.
            #[cfg(feature = "transactions")]
            Self::AddPartitionsToTxn => 3..=3,
            #[cfg(feature = "transactions")]
            Self::AddOffsetsToTxn => 3..=4,
            #[cfg(feature = "transactions")]
            Self::EndTxn | Self::TxnOffsetCommit => 3..=5,
        }
    }

    /// Whether a version has compact lengths and tagged fields (KIP-482).
    pub(crate) const fn is_flexible(self, version: i16) -> bool {
        // All that are spoken with newer brokers are, which is checked below.
        if OLD_BROKERS { version >= self.flexible_since() } else { !matches!(self, Self::SaslHandshake) }
    }

    const fn flexible_since(self) -> i16 {
        match self {
            Self::Produce | Self::Metadata => 9,
            Self::ApiVersions => 3,
            Self::InitProducerId | Self::SaslAuthenticate => 2,
            Self::DescribeProducers => 0,
            Self::SaslHandshake => i16::MAX,
            #[cfg(feature = "transactions")]
            Self::FindCoordinator
            | Self::AddPartitionsToTxn
            | Self::AddOffsetsToTxn
            | Self::EndTxn
            | Self::TxnOffsetCommit => 3,
        }
    }

    /// The layout of the answer.
    const fn answer(self) -> &'static [Row] {
        match self {
            Self::Produce => produce::ANSWER,
            Self::Metadata => metadata::ANSWER,
            Self::SaslHandshake => sasl::HANDSHAKE_ANSWER,
            Self::ApiVersions => api_versions::ANSWER,
            Self::InitProducerId => init_producer_id::ANSWER,
            Self::SaslAuthenticate => sasl::AUTHENTICATE_ANSWER,
            Self::DescribeProducers => describe_producers::ANSWER,
            #[cfg(feature = "transactions")]
            Self::FindCoordinator => transactions::FIND_COORDINATOR_ANSWER,
            #[cfg(feature = "transactions")]
            Self::AddPartitionsToTxn => transactions::PARTITIONS_ANSWER,
            #[cfg(feature = "transactions")]
            Self::AddOffsetsToTxn => transactions::ADD_OFFSETS_ANSWER,
            #[cfg(feature = "transactions")]
            Self::EndTxn => transactions::END_ANSWER,
            #[cfg(feature = "transactions")]
            Self::TxnOffsetCommit => transactions::PARTITIONS_ANSWER,
        }
    }

    /// Whether an answer has tagged fields between correlation id and body. ApiVersions never does: the client does
    /// not know yet what the broker speaks.
    const fn has_header_tags(self, version: i16) -> bool {
        !matches!(self, Self::ApiVersions) && self.is_flexible(version)
    }
}

const _: () = {
    let flexible = [
        ApiKey::Produce,
        ApiKey::Metadata,
        ApiKey::ApiVersions,
        ApiKey::InitProducerId,
        ApiKey::SaslAuthenticate,
        ApiKey::DescribeProducers,
        #[cfg(feature = "transactions")]
        ApiKey::FindCoordinator,
        #[cfg(feature = "transactions")]
        ApiKey::AddPartitionsToTxn,
        #[cfg(feature = "transactions")]
        ApiKey::AddOffsetsToTxn,
        #[cfg(feature = "transactions")]
        ApiKey::EndTxn,
        #[cfg(feature = "transactions")]
        ApiKey::TxnOffsetCommit,
    ];
    let mut at = 0;
    while at < flexible.len() {
        assert!(OLD_BROKERS || flexible[at].flexible_since() <= *flexible[at].versions().start());
        at += 1;
    }
};
