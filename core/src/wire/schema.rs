//! Layouts of answers as tables. The decoder interprets them, so that one machine, tested once, reads every answer.

use super::{ApiKey, Field};

/// How deep arrays and structures lie within each other, the answer itself included: a Produce answer has topics,
/// partitions, and record errors.
pub(super) const DEPTH: usize = 4;

/// One field of a structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The first version that has it.
    pub(super) since: i16,
    /// The last version that has it.
    pub(super) until: i16,
    /// The tag's number of a tagged field. It comes after all others, and only where a broker has something to tell.
    pub(super) tag: Option<u8>,
    /// How it is read.
    pub(super) op: Op,
}

/// How a field is read, and the name under which its value is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    I16(Field),
    I32(Field),
    I64(Field),
    Uuid(Field),
    /// An error code that stands before everything else: unless it is zero, nothing after it is read.
    Verdict(Field),
    /// A text that must be right: UTF-8, and as long as a topic's or a host's name can be. It may be null.
    Name(Field),
    /// A text for people: told as far as it is UTF-8 and fits. It may be null.
    Message(Field),
    /// Bytes that mean nothing here, told in pieces as they come; of none at all nothing is told.
    Bytes(Field),
    /// So many bytes that nobody wants.
    Skip(u8),
    /// A text that nobody wants.
    SkipText,
    /// An array of 32-bit numbers that nobody wants.
    SkipInts,
    /// An array of structures.
    Array(Field, &'static [Row]),
    /// One structure; its items are those of an array of one.
    Struct(Field, &'static [Row]),
}

impl Row {
    /// A field of all versions that felice speaks.
    pub(super) const fn new(op: Op) -> Self {
        Self { since: 0, until: i16::MAX, tag: None, op }
    }

    /// The first version that has it.
    pub(super) const fn since(self, version: i16) -> Self {
        Self { since: version, ..self }
    }

    /// The last version that has it.
    pub(super) const fn until(self, version: i16) -> Self {
        Self { until: version, ..self }
    }

    /// Makes it a tagged field. The decoder opens arrays and structures only.
    pub(super) const fn tagged(self, tag: u8) -> Self {
        assert!(!self.children().is_empty());
        Self { tag: Some(tag), ..self }
    }

    /// Whether a version has it.
    pub(super) const fn covers(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }

    /// The rows of what is in it.
    pub(super) const fn children(&self) -> &'static [Self] {
        match self.op {
            Op::Array(_, rows) | Op::Struct(_, rows) => rows,
            _ => &[],
        }
    }
}

const _: () = {
    let all = [
        ApiKey::Produce.answer(),
        ApiKey::Metadata.answer(),
        ApiKey::SaslHandshake.answer(),
        ApiKey::ApiVersions.answer(),
        ApiKey::InitProducerId.answer(),
        ApiKey::SaslAuthenticate.answer(),
        ApiKey::DescribeProducers.answer(),
        #[cfg(feature = "transactions")]
        ApiKey::FindCoordinator.answer(),
        #[cfg(feature = "transactions")]
        ApiKey::AddPartitionsToTxn.answer(),
        #[cfg(feature = "transactions")]
        ApiKey::AddOffsetsToTxn.answer(),
        #[cfg(feature = "transactions")]
        ApiKey::EndTxn.answer(),
        #[cfg(feature = "transactions")]
        ApiKey::TxnOffsetCommit.answer(),
    ];
    let mut at = 0;
    while at < all.len() {
        assert!(depth(all[at]) <= DEPTH);
        at += 1;
    }
};

/// How deep a table is.
const fn depth(rows: &[Row]) -> usize {
    let mut deepest = 0;
    let mut at = 0;
    while at < rows.len() {
        let children = rows[at].children();
        if !children.is_empty() {
            let below = depth(children);
            if below > deepest {
                deepest = below;
            }
        }
        at += 1;
    }
    deepest + 1
}
