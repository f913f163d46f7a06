//! The two front-ends, side by side: what the quickstart asks of either.
//!
//! All else is written once, as async code. For plain threads the futures are ready as soon as they are polled, since
//! the calls in them have waited already.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use felice_blocking::{CloseError, FlushError, PartitionsError, ProduceError, RecordMetadata, SendError};
use felice_host::Start;

/// A record of the quickstart.
pub type Record<'a> = felice_blocking::ProducerRecord<'a, Option<&'a str>, &'a [u8]>;

/// What became of a record.
pub type Outcome = Result<RecordMetadata, ProduceError>;

/// A producer of one of the two front-ends.
pub trait FrontEnd: Start {
    /// The crate that it is from.
    const NAME: &'static str;

    /// Fire and forget: the handle is dropped.
    fn forget(&self, record: Record<'_>) -> impl Future<Output = Result<(), SendError>>;

    /// Synchronous: the record's outcome, or that it was not accepted.
    fn deliver(&self, record: Record<'_>) -> impl Future<Output = Result<RecordMetadata, Box<dyn Error>>>;

    /// Callback: the outcome comes to a closure.
    fn call_back(
        &self,
        record: Record<'_>,
        callback: impl FnOnce(Outcome) + Send + 'static,
    ) -> impl Future<Output = Result<(), SendError>>;

    /// Until every record has its outcome, and every callback has run.
    fn flush(&self) -> impl Future<Output = Result<(), FlushError>>;

    /// The end.
    fn close(&self, timeout: Duration) -> impl Future<Output = Result<(), CloseError>>;

    /// How many partitions a topic has.
    fn partitions_for(&self, topic: &str) -> impl Future<Output = Result<i32, PartitionsError>>;
}

impl FrontEnd for felice_blocking::Producer {
    const NAME: &'static str = "felice-blocking";

    async fn forget(&self, record: Record<'_>) -> Result<(), SendError> {
        self.send(record).map(drop)
    }

    async fn deliver(&self, record: Record<'_>) -> Result<RecordMetadata, Box<dyn Error>> {
        Ok(self.send(record)?.get()?)
    }

    async fn call_back(
        &self,
        record: Record<'_>,
        callback: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<(), SendError> {
        self.send_with(record, callback)
    }

    async fn flush(&self) -> Result<(), FlushError> {
        self.flush()
    }

    async fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.close(timeout)
    }

    async fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
        self.partitions_for(topic)
    }
}

impl FrontEnd for felice_smol::Producer {
    const NAME: &'static str = "felice-smol";

    async fn forget(&self, record: Record<'_>) -> Result<(), SendError> {
        self.send(record).await.map(drop)
    }

    async fn deliver(&self, record: Record<'_>) -> Result<RecordMetadata, Box<dyn Error>> {
        Ok(self.send(record).await?.await?)
    }

    async fn call_back(
        &self,
        record: Record<'_>,
        callback: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<(), SendError> {
        self.send_with(record, callback).await
    }

    async fn flush(&self) -> Result<(), FlushError> {
        self.flush().await
    }

    async fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.close(timeout).await
    }

    async fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
        self.partitions_for(topic).await
    }
}
