//! ApiVersions 0, 3 and 4: what a broker speaks. The first request on every connection.
//!
//! | version | request | answer |
//! |---|---|---|
//! | 0 | empty | error code, and key, first and last version of each API |
//! | 3 | name and version of the client (KIP-511); tagged fields | tagged fields, but none in the header; the throttle time |
//! | 4 | as 3 | as 3 (a feature may begin at 0) |
//!
//! A broker that does not know the version answers with error 35 in the layout of version 0, whatever it was asked in.
//! So nothing behind an error code is read: the client asks again, in version 0.

use super::schema::{Op, Row};
use super::{ApiKey, Field, Full, Header, Item, Value};

/// What the client calls itself.
const SOFTWARE_NAME: &str = "felice";

/// The answer.
pub(super) const ANSWER: &[Row] = &[
    Row::new(Op::Verdict(Field::ErrorCode)),
    Row::new(Op::Array(
        Field::ApiKeys,
        &[
            Row::new(Op::I16(Field::ApiKey)),
            Row::new(Op::I16(Field::MinVersion)),
            Row::new(Op::I16(Field::MaxVersion)),
        ],
    )),
    Row::new(Op::I32(Field::ThrottleTimeMs)).since(1),
    #[cfg(feature = "transactions")]
    Row::new(Op::Array(
        Field::FinalizedFeatures,
        &[
            Row::new(Op::Name(Field::FeatureName)),
            Row::new(Op::I16(Field::FeatureLevel)),
            // The lowest level that is still understood.
            Row::new(Op::Skip(2)),
        ],
    ))
    .since(3)
    .tagged(2),
];

/// The feature whose level says how transactions are made (KIP-890).
#[cfg(feature = "transactions")]
const TRANSACTION_VERSION: &str = "transaction.version";

/// Writes the whole request.
pub(crate) fn encode(buf: &mut [u8], header: Header<'_>) -> Result<usize, Full> {
    header.frame(ApiKey::ApiVersions, buf, |writer, flexible| {
        if flexible {
            writer.text(flexible, SOFTWARE_NAME);
            writer.text(flexible, env!("CARGO_PKG_VERSION"));
        }
        writer.no_tags(flexible);
    })
}

/// The versions that a connection's requests have: the highest that both sides speak.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions {
    /// The entry that is being read: the answer may be cut within it.
    key: i16,
    min: i16,
    max: i16,
    /// As many as there are APIs in [`NEGOTIATED`], in its order; negative where there is no common version.
    picked: [i8; NEGOTIATED.len()],
    /// The feature that is being read is `transaction.version`; the level that all brokers have of it.
    #[cfg(feature = "transactions")]
    is_transaction_version: bool,
    #[cfg(feature = "transactions")]
    transaction_version: i16,
}

/// All but ApiVersions itself.
const NEGOTIATED: [ApiKey; if cfg!(feature = "transactions") { 11 } else { 6 }] = [
    ApiKey::Produce,
    ApiKey::Metadata,
    ApiKey::InitProducerId,
    ApiKey::SaslHandshake,
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

impl Versions {
    /// Nothing is known yet.
    pub(crate) const fn new() -> Self {
        Self {
            key: 0,
            min: 0,
            max: 0,
            picked: [-1; NEGOTIATED.len()],
            #[cfg(feature = "transactions")]
            is_transaction_version: false,
            #[cfg(feature = "transactions")]
            transaction_version: 0,
        }
    }

    /// Takes in an item of the broker's answer; those that say nothing about versions are passed over.
    pub(crate) fn handle_item(&mut self, item: &Item<'_>) {
        match *item {
            Item::Value(Field::ApiKey, Value::I16(key)) => self.key = key,
            Item::Value(Field::MinVersion, Value::I16(min)) => self.min = min,
            Item::Value(Field::MaxVersion, Value::I16(max)) => self.max = max,
            Item::EndOfElement(Field::ApiKeys) => self.handle_entry(),
            #[cfg(feature = "transactions")]
            Item::Value(Field::FeatureName, Value::Text(name)) => {
                self.is_transaction_version = name == Some(TRANSACTION_VERSION);
            }
            #[cfg(feature = "transactions")]
            Item::Value(Field::FeatureLevel, Value::I16(level)) if self.is_transaction_version => {
                self.transaction_version = level;
            }
            _ => {}
        }
    }

    fn handle_entry(&mut self) {
        for (api, picked) in NEGOTIATED.iter().zip(&mut self.picked) {
            if api.number() == self.key {
                let highest = self.max.min(*api.versions().end());
                let common = self.min <= highest && api.versions().contains(&highest);
                *picked = if common { highest as i8 } else { -1 };
            }
        }
    }

    /// Whether the cluster makes transactions as KIP-890 says in its second part: a partition is in the transaction by a Produce
    /// request, and each transaction has its own epoch.
    #[cfg(feature = "transactions")]
    pub(crate) const fn has_transactions_v2(&self) -> bool {
        self.transaction_version >= 2
    }

    /// The highest version of a request that both sides speak.
    pub(crate) fn pick(&self, api: ApiKey) -> Option<i16> {
        let at = NEGOTIATED.iter().position(|negotiated| *negotiated == api)?;
        (self.picked[at] >= 0).then_some(self.picked[at].into())
    }
}
