//! The blocking front-end joins the suite.

use std::time::Duration;

use felice_blocking::{
    CloseError, Delivery, FlushError, GetError, Metrics, PartitionsError, ProduceError, Producer,
    ProducerRecord, RecordMetadata, SendError, Serialize,
};

use super::{Closure, FrontEnd, Handle, NoMetadata};

impl FrontEnd for Producer {
    const NAME: &'static str = "blocking";

    type Handle = Delivery;

    fn send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Delivery, SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        self.send(record)
    }

    fn try_send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Delivery, SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        self.try_send(record)
    }

    fn send_with<K, V>(&self, record: &ProducerRecord<'_, K, V>, callback: Closure) -> Result<(), SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        self.send_with(record, callback)
    }

    fn send_with_token<K, V>(&self, record: &ProducerRecord<'_, K, V>, token: u64) -> Result<(), SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        self.send_with_token(record, token)
    }

    fn flush(&self) -> Result<(), FlushError> {
        self.flush()
    }

    fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.close(timeout)
    }

    fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
        self.partitions_for(topic)
    }

    fn failed(&self) -> u64 {
        self.failed()
    }

    fn callback_panics(&self) -> u64 {
        self.callback_panics()
    }

    fn metrics(&self) -> Metrics {
        self.metrics()
    }
}

impl Handle for Delivery {
    fn get(self) -> Result<RecordMetadata, NoMetadata> {
        Ok(self.get()?)
    }

    fn get_timeout(&mut self, timeout: Duration) -> Result<RecordMetadata, NoMetadata> {
        Ok(self.get_timeout(timeout)?)
    }

    fn spooled(&mut self) -> Result<(), NoMetadata> {
        Ok(self.spooled()?)
    }

    fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.try_get()
    }
}

impl From<GetError> for NoMetadata {
    fn from(error: GetError) -> Self {
        match error {
            GetError::Failed(error) => Self::Failed(error),
            GetError::InCallback => Self::InCallback,
            GetError::Forked => Self::Forked,
            _ => Self::TimedOut,
        }
    }
}
