//! The handle of an accepted record, and how a thread waits for its outcome.

use std::time::{Duration, Instant};
use std::{error, fmt};

use felice_host::{ProduceError, RecordMetadata, in_callback};

use crate::parker;

/// The handle of an accepted record: its outcome is the record's [`RecordMetadata`], or a [`ProduceError`].
///
/// Dropping it is fire-and-forget: the record is sent all the same. `on_undelivered` of the builder hears of a record
/// that failed after, or before, its handle was dropped unobserved.
///
/// A handle that is kept holds no record memory, and never holds up sending.
#[derive(Debug)]
pub struct Delivery(pub(crate) felice_host::Delivery);

impl Delivery {
    /// Waits for the outcome: `delivery.timeout.ms` after acceptance it is there; with a spool it takes as long as it takes.
    ///
    /// # Errors
    ///
    /// [`GetError::Failed`] where the record failed; [`GetError::InCallback`] always in a callback, where
    /// [`try_get`](Self::try_get) can be asked; [`GetError::Forked`] in another process.
    pub fn get(mut self) -> Result<RecordMetadata, GetError> {
        self.wait(None)
    }

    /// Waits for the outcome, for as long as `timeout` at most. After a timeout the handle is as good as before.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and [`GetError::TimedOut`].
    pub fn get_timeout(&mut self, timeout: Duration) -> Result<RecordMetadata, GetError> {
        self.wait(Instant::now().checked_add(timeout))
    }

    /// Waits until the record is safe: durable in the spool (`spool.dir`, after `spool.sync.ms` at most), or acknowledged.
    /// Without a spool it is the latter. The handle is as good as before.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), where the record failed before it was either.
    pub fn spooled(&mut self) -> Result<(), GetError> {
        if in_callback() {
            return Err(GetError::InCallback);
        }
        if self.0.is_forked() {
            return Err(GetError::Forked);
        }
        match parker::wait(None, |context| self.0.poll_spooled(context)) {
            Some(spooled) => Ok(spooled?),
            None => Err(GetError::TimedOut),
        }
    }

    /// The outcome, if it is there. Never waits.
    pub fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.0.try_get()
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<RecordMetadata, GetError> {
        // Also where the outcome happens to be there already: what works by luck fails in the field.
        if in_callback() {
            return Err(GetError::InCallback);
        }
        if let Some(outcome) = self.0.try_get() {
            return Ok(outcome?);
        }
        if self.0.is_forked() {
            return Err(GetError::Forked);
        }
        match parker::wait(deadline, |context| self.0.poll_outcome(context)) {
            Some(outcome) => Ok(outcome?),
            None => Err(GetError::TimedOut),
        }
    }
}

/// Why `get` has no metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetError {
    /// The record failed.
    Failed(ProduceError),
    /// `get` in a callback would wait for the very thread that it runs on. What becomes of the record is not known.
    InCallback,
    /// The outcome is not there yet.
    TimedOut,
    /// The producer was built in another process. What becomes of the record is known there only.
    Forked,
}

impl GetError {
    /// The record's failure, where it has failed.
    #[must_use]
    pub const fn produce_error(&self) -> Option<&ProduceError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::InCallback | Self::TimedOut | Self::Forked => None,
        }
    }

    /// Whether sending the record again can succeed. Without an outcome it must not be sent again: false.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.produce_error().is_some_and(ProduceError::is_retriable)
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::InCallback => f.write_str("a record's outcome cannot be awaited in a callback"),
            Self::TimedOut => f.write_str("the record has no outcome yet"),
            Self::Forked => f.write_str(
                "the record's outcome is not known here: the producer was built in another process; after fork() build a new one",
            ),
        }
    }
}

impl error::Error for GetError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.produce_error().map(|error| error as _)
    }
}

impl From<ProduceError> for GetError {
    fn from(error: ProduceError) -> Self {
        Self::Failed(error)
    }
}
