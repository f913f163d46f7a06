//! The handle of an accepted record, as a future.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use felice_host::{ProduceError, RecordMetadata};

/// The handle of an accepted record: a future of its outcome, the record's [`RecordMetadata`] or a [`ProduceError`].
/// `delivery.timeout.ms` after acceptance the outcome is there; with a spool it takes as long as it takes.
///
/// Dropping it, before or while it is awaited, is fire-and-forget: the record is sent all the same. `on_undelivered` of
/// the builder hears of a record that failed after, or before, its handle was dropped unobserved.
///
/// A handle that is kept holds no record memory, and never holds up sending. It may be awaited by reference, with
/// anything that gives up in between, and again after it was ready. In a callback it can be awaited, too, since
/// outcomes do not wait for callbacks; but it holds up the other ones.
#[derive(Debug)]
pub struct Delivery(pub(crate) felice_host::Delivery);

impl Delivery {
    /// Waits until the record is safe: durable in the spool (`spool.dir`, after `spool.sync.ms` at most), or acknowledged.
    /// Without a spool it is the latter. The handle is as good as before, also where this is dropped.
    ///
    /// # Errors
    ///
    /// The record's failure, where it failed before it was either.
    pub async fn spooled(&mut self) -> Result<(), ProduceError> {
        poll_fn(|context| self.0.poll_spooled(context)).await
    }

    /// The outcome, if it is there. Never waits.
    pub fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.0.try_get()
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_outcome(context)
    }
}
