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

use super::schema::{Layout, Op, Row};
use super::{ApiKey, Full, Header, Item, Value};

/// What the client calls itself.
const SOFTWARE_NAME: &str = "felice";

/// The fields of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    ErrorCode,
    ApiKeys,
    ApiKey,
    MinVersion,
    MaxVersion,
    ThrottleTimeMs,
}

impl Layout for Field {
    const API: ApiKey = ApiKey::ApiVersions;
    const ROWS: &'static [Row<Self>] = &[
        Row::new(Op::Verdict(Self::ErrorCode)),
        Row::new(Op::Array(
            Self::ApiKeys,
            &[
                Row::new(Op::I16(Self::ApiKey)),
                Row::new(Op::I16(Self::MinVersion)),
                Row::new(Op::I16(Self::MaxVersion)),
            ],
        )),
        Row::new(Op::I32(Self::ThrottleTimeMs)).since(1),
    ];
}

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
}

/// All but ApiVersions itself.
const NEGOTIATED: [ApiKey; 6] = [
    ApiKey::Produce,
    ApiKey::Metadata,
    ApiKey::InitProducerId,
    ApiKey::SaslHandshake,
    ApiKey::SaslAuthenticate,
    ApiKey::DescribeProducers,
];

impl Versions {
    /// Nothing is known yet.
    pub(crate) const fn new() -> Self {
        Self { key: 0, min: 0, max: 0, picked: [-1; NEGOTIATED.len()] }
    }

    /// Takes in an item of the broker's answer; those that say nothing about versions are passed over.
    pub(crate) fn handle_item(&mut self, item: &Item<'_, Field>) {
        match *item {
            Item::Value(Field::ApiKey, Value::I16(key)) => self.key = key,
            Item::Value(Field::MinVersion, Value::I16(min)) => self.min = min,
            Item::Value(Field::MaxVersion, Value::I16(max)) => self.max = max,
            Item::EndOfElement(Field::ApiKeys) => self.handle_entry(),
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

    /// The highest version of a request that both sides speak.
    pub(crate) fn pick(&self, api: ApiKey) -> Option<i16> {
        let at = NEGOTIATED.iter().position(|negotiated| *negotiated == api)?;
        (self.picked[at] >= 0).then_some(self.picked[at].into())
    }
}
