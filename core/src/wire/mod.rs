//! Kafka's protocol as bytes: requests are encoded into fixed buffers, answers are decoded as they come.
//!
//! * `write`, `header`: primitives and the frame around every request.
//! * `schema`, `item`, `gather`, `decode`: an answer's layout is a table of rows; the decoder walks it and may be stopped and
//!   resumed at any byte.
//! * one file per API: its versions, its request, its answer's table. The layouts follow the message schemas that
//!   Kafka publishes (`clients/src/main/resources/common/message`), as of 4.3.1.
//!
//! Nothing here knows what an answer means.

pub(crate) mod api_versions;
mod decode;
pub(crate) mod describe_producers;
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
mod write;

use core::ops::RangeInclusive;

pub(crate) use api_versions::Versions;
pub(crate) use decode::Decoder;
pub(crate) use header::Header;
pub(crate) use item::{Item, Progress, Value};
pub(crate) use write::Full;

/// The requests that felice sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiKey {
    Produce = 0,
    Metadata = 3,
    SaslHandshake = 17,
    ApiVersions = 18,
    InitProducerId = 22,
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
            Self::Produce => 7..=13,
            Self::Metadata => 7..=13,
            Self::ApiVersions => 3..=4,
            Self::InitProducerId => 0..=5,
            // Version 0 is followed by bytes without any frame, as long ago.
            Self::SaslHandshake => 1..=1,
            Self::SaslAuthenticate => 0..=2,
            Self::DescribeProducers => 0..=0,
        }
    }

    /// Whether a version has compact lengths and tagged fields (KIP-482).
    pub(crate) const fn is_flexible(self, version: i16) -> bool {
        version
            >= match self {
                Self::Produce | Self::Metadata => 9,
                Self::ApiVersions => 3,
                Self::InitProducerId | Self::SaslAuthenticate => 2,
                Self::DescribeProducers => 0,
                Self::SaslHandshake => i16::MAX,
            }
    }

    /// Whether an answer has tagged fields between correlation id and body. ApiVersions never does: the client does
    /// not know yet what the broker speaks.
    const fn has_header_tags(self, version: i16) -> bool {
        !matches!(self, Self::ApiVersions) && self.is_flexible(version)
    }
}
