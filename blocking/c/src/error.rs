//! What a function says that cannot do its work: a number, and words that its thread may ask for.
//!
//! The words are those of `felice-blocking`: this module must not have its own, but for what only a caller in C can do
//! wrong.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};

use felice_blocking::{
    BuildError, CloseError, ErrorKind, FlushError, GetError, Persisted, ProduceError, SendError,
};

/// What a function says. Where it is not `FELICE_ERROR_OK`, `felice_last_error_message` has it in words, with names,
/// values and limits. Numbers never change; new ones may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Error {
    /// It is done.
    Ok = 0,
    /// A pointer is NULL that must not be, a text is no UTF-8, or a number is out of its range.
    InvalidArgument = 1,
    /// A setting is missing, unknown, out of range, or does not fit another one.
    Config = 2,
    /// The operating system refused a thread or a file descriptor.
    System = 3,
    /// The record was not accepted: the machine's clock is not set (`clock.unset.before.ms`).
    ClockNotSet = 10,
    /// The producer is closed. As an outcome: it was closed before the record was acknowledged.
    Closed = 11,
    /// The producer was made in another process: after fork() make a new one.
    Forked = 12,
    /// The record was not accepted: Kafka allows no topic of that name.
    InvalidTopic = 13,
    /// The record was not accepted: the producer was made without a callback, so a token has nobody to go to.
    NoCallback = 14,
    /// The record was not accepted: `buffer.memory` was full for `max.block.ms`.
    NoMemory = 15,
    /// The record was not accepted: it is larger than `max.request.size`.
    RecordTooLarge = 16,
    /// More partitions than `partitions.max`, or, as an outcome, `partitions.known.max` allow.
    TooManyPartitions = 17,
    /// The record was not accepted: more topics than `topics.max` allows.
    TooManyTopics = 18,
    /// The topic has no such partition.
    UnknownPartition = 19,
    /// The record was not accepted: in a callback it would have to wait for memory.
    WouldBlock = 20,
    /// There is no outcome yet.
    TimedOut = 30,
    /// What would wait is refused in a callback.
    InCallback = 31,
    /// The producer is closed, and some records have failed since that began.
    Undelivered = 32,
    /// The text does not fit into the buffer.
    BufferTooSmall = 33,
    /// The record failed: no broker accepts the client.
    Authentication = 40,
    /// The record failed: a broker refused it, with `broker_code`.
    Broker = 41,
    /// The record failed: it was not acknowledged within `delivery.timeout.ms`.
    DeliveryTimeout = 42,
    /// The record failed: its topic does not exist.
    UnknownTopic = 43,
    /// The producer is closed, and the record stays in the spool (`spool.dir`): the next producer there sends it.
    Spooled = 44,
    /// The spool has lost the record: dropped, as the settings say, or damaged on the disk.
    SpoolLost = 45,
    /// A fault of felice's own.
    Internal = 99,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Outcome {
    /// `FELICE_ERROR_OK` where it is stored; else why not.
    pub error: Error,
    /// The partition; -1 where the record failed before it had one.
    pub partition: i32,
    /// The offset in the partition; -1 where it is not known, or the record failed.
    pub offset: i64,
    /// The record's time in the log, in milliseconds since 1970; -1 where the record failed.
    pub timestamp: i64,
    /// How often a record that failed was sent; 0 for one that is stored.
    pub attempts: u32,
    /// Kafka's code, where `error` is `FELICE_ERROR_BROKER`; else 0.
    pub broker_code: i16,
    /// Whether a record that failed may be in the log all the same: then sending it again can store it twice.
    pub possibly_stored: bool,
    /// Whether sending a record that failed again can succeed.
    pub retriable: bool,
}

/// An error in words.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: Error,
    words: String,
}

thread_local! {
    static LAST: RefCell<(Error, CString)> = RefCell::new((Error::Ok, CString::default()));
}

impl Refusal {
    pub(crate) fn new(kind: Error, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }

    pub(crate) fn argument(words: impl Into<String>) -> Self {
        Self::new(Error::InvalidArgument, words)
    }

    /// Keeps the words as the thread's last ones, and gives back the number. A thread that is ending keeps nothing.
    pub(crate) fn keep(self) -> Error {
        let Self { kind, mut words } = self;
        words.retain(|c| c != '\0');
        let words = CString::new(words).unwrap_or_default();
        let _ = LAST.try_with(|last| *last.borrow_mut() = (kind, words));
        kind
    }
}

/// The thread's last error.
pub(crate) fn last() -> Error {
    LAST.try_with(|last| last.borrow().0).unwrap_or(Error::Ok)
}

/// Its words, which stay until the thread's next error.
pub(crate) fn last_words() -> *const c_char {
    const NONE: &CStr = c"";
    LAST.try_with(|last| last.borrow().1.as_ptr()).unwrap_or(NONE.as_ptr())
}

impl Outcome {
    /// That of a record that is stored.
    pub(crate) fn stored(metadata: &felice_blocking::RecordMetadata) -> Self {
        Self {
            error: Error::Ok,
            partition: metadata.partition(),
            offset: metadata.offset(),
            timestamp: metadata.timestamp().as_millis(),
            attempts: 0,
            broker_code: 0,
            possibly_stored: false,
            retriable: false,
        }
    }

    /// That of one that failed.
    pub(crate) fn failed(error: &ProduceError) -> Self {
        Self {
            error: kind(error.kind()),
            partition: error.partition().unwrap_or(-1),
            offset: -1,
            timestamp: -1,
            attempts: error.attempts(),
            broker_code: if let ErrorKind::Broker(code) = error.kind() { code.0 } else { 0 },
            possibly_stored: error.persisted() == Persisted::Possibly,
            retriable: error.is_retriable(),
        }
    }
}

fn kind(kind: ErrorKind) -> Error {
    match kind {
        ErrorKind::Authentication(_) => Error::Authentication,
        ErrorKind::Broker(_) => Error::Broker,
        ErrorKind::Closed => Error::Closed,
        ErrorKind::DeliveryTimeout(_) => Error::DeliveryTimeout,
        ErrorKind::UnknownTopic => Error::UnknownTopic,
        ErrorKind::UnknownPartition => Error::UnknownPartition,
        ErrorKind::TooManyPartitions => Error::TooManyPartitions,
        ErrorKind::Spooled => Error::Spooled,
        ErrorKind::SpoolLost(_) => Error::SpoolLost,
        _ => Error::Internal,
    }
}

impl From<BuildError> for Refusal {
    fn from(error: BuildError) -> Self {
        let kind = match error {
            BuildError::Config(_) => Error::Config,
            BuildError::Io(_) => Error::System,
            _ => Error::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<felice_blocking::ConfigError> for Refusal {
    fn from(error: felice_blocking::ConfigError) -> Self {
        BuildError::from(error).into()
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::ClockNotSet => Error::ClockNotSet,
            SendError::Closed => Error::Closed,
            SendError::Forked => Error::Forked,
            SendError::InvalidTopic => Error::InvalidTopic,
            SendError::NoCallback => Error::NoCallback,
            SendError::NoMemory { .. } => Error::NoMemory,
            SendError::RecordTooLarge { .. } => Error::RecordTooLarge,
            SendError::TooManyPartitions { .. } => Error::TooManyPartitions,
            SendError::TooManyTopics { .. } => Error::TooManyTopics,
            SendError::UnknownPartition { .. } => Error::UnknownPartition,
            SendError::WouldBlock => Error::WouldBlock,
            _ => Error::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<&ProduceError> for Refusal {
    fn from(error: &ProduceError) -> Self {
        Self::new(kind(error.kind()), error.to_string())
    }
}

impl From<&GetError> for Refusal {
    fn from(error: &GetError) -> Self {
        let kind = match error {
            GetError::Failed(error) => return error.into(),
            GetError::InCallback => Error::InCallback,
            GetError::TimedOut => Error::TimedOut,
            GetError::Forked => Error::Forked,
            _ => Error::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<FlushError> for Refusal {
    fn from(error: FlushError) -> Self {
        let kind = match error {
            FlushError::InCallback => Error::InCallback,
            FlushError::Forked => Error::Forked,
            _ => Error::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<CloseError> for Refusal {
    fn from(error: CloseError) -> Self {
        let kind = match error {
            CloseError::Undelivered { .. } => Error::Undelivered,
            CloseError::InCallback => Error::InCallback,
            CloseError::Forked => Error::Forked,
            _ => Error::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
