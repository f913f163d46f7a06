//! Layouts of answers as tables. The decoder interprets them, so that one machine, tested once, reads every answer.

use super::ApiKey;

/// How deep arrays and structures lie within each other, the answer itself included: a Produce answer has topics,
/// partitions, and record errors.
pub(super) const DEPTH: usize = 4;

/// The answer to one API: its table, and the names of its fields.
pub(crate) trait Layout: Copy + 'static {
    /// The API.
    const API: ApiKey;
    /// All fields of all versions, in Kafka's order.
    const ROWS: &'static [Row<Self>];
}

/// One field of a structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<F: 'static> {
    /// The first version that has it.
    pub(super) since: i16,
    /// The last version that has it.
    pub(super) until: i16,
    /// The tag's number of a tagged field. It comes after all others, and only where a broker has something to tell.
    pub(super) tag: Option<u8>,
    /// How it is read.
    pub(super) op: Op<F>,
}

/// How a field is read, and the name under which its value is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op<F: 'static> {
    I16(F),
    I32(F),
    I64(F),
    Uuid(F),
    /// An error code that stands before everything else: unless it is zero, nothing after it is read.
    Verdict(F),
    /// A text that must be right: UTF-8, and as long as a topic's or a host's name can be. It may be null.
    Name(F),
    /// A text for people: told as far as it is UTF-8 and fits. It may be null.
    Message(F),
    /// Bytes that mean nothing here, told in pieces as they come; of none at all nothing is told.
    Bytes(F),
    /// So many bytes that nobody wants.
    Skip(u8),
    /// A text that nobody wants.
    SkipText,
    /// An array of 32-bit numbers that nobody wants.
    SkipInts,
    /// An array of structures.
    Array(F, &'static [Row<F>]),
    /// One structure; its items are those of an array of one.
    Struct(F, &'static [Row<F>]),
}

impl<F: Copy> Row<F> {
    /// A field of all versions that felice speaks.
    pub(super) const fn new(op: Op<F>) -> Self {
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

/// How deep a table is. It is only evaluated by the compiler.
pub(super) const fn depth<F: Copy>(rows: &[Row<F>]) -> usize {
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
