//! Sending, and telling of every outcome.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use felice_core::record::ProducerRecord;
use felice_core::time::Timestamp;
use felice_host::{BuildError, Builder, ProduceError, RecordMetadata};

use super::line::{Line, now_ms};
use super::options::Options;
use super::stop::{Pace, Stop};
use crate::behaviour::FrontEnd;

/// Closing ends by itself, with `delivery.timeout.ms`.
const NO_LIMIT: Duration = Duration::MAX;

/// Sends until all is sent or a signal comes, and finishes what it holds. Gives back the signal.
pub(super) fn run<F: FrontEnd>(options: Options) -> Result<Option<i32>, Box<dyn Error>> {
    let signals = Stop::listen()?;
    let producer = producer::<F>(&options)?;
    let closing = producer.clone();
    let stop = signals.then(move || {
        // Also ends a `send` that waits for memory.
        let _ = closing.close(NO_LIMIT);
    })?;
    let (begun, throughput) = (Instant::now(), options.throughput);
    let mut records = Records::new(producer, options);

    Line::new("startup_complete").print();
    records.send_all(&stop);
    let (sent, acked) = records.finish();
    Line::new("shutdown_complete").print();
    Line::new("tool_data")
        .with("sent", sent)
        .with("acked", acked)
        .with("target_throughput", throughput)
        .with("avg_throughput", acked as f64 / begun.elapsed().as_secs_f64())
        .print();
    Ok(stop.signal())
}

/// As in Kafka's tool, the file has the last word.
fn producer<F: FrontEnd>(options: &Options) -> Result<F, BuildError> {
    let builder = Builder::<F>::new().bootstrap_servers(&options.bootstrap_server);
    let builder = builder.properties([("acks", &options.acks)])?;
    match &options.config {
        Some(file) => builder.properties_file(file)?.build(),
        None => builder.build(),
    }
}

/// The records, numbered from 0, and what became of them.
struct Records<F> {
    producer: F,
    topic: Arc<str>,
    options: Options,
    sent: u64,
    acked: Arc<AtomicU64>,
    next_key: i32,
    create_time: Option<i64>,
    begun_ms: i64,
}

impl<F: FrontEnd> Records<F> {
    fn new(producer: F, options: Options) -> Self {
        Self {
            producer,
            topic: options.topic.as_str().into(),
            sent: 0,
            acked: Arc::default(),
            next_key: 0,
            create_time: options.create_time,
            begun_ms: now_ms(),
            options,
        }
    }

    fn send_all(&mut self, stop: &Stop) {
        let pace = Pace::new(self.options.throughput);
        while self.options.max_messages.is_none_or(|most| self.sent < most) && stop.signal().is_none() {
            let (key, value) = (self.key(), self.value());
            self.send(key, value);
            pace.wait(self.sent, stop);
        }
    }

    /// How many were sent, and how many acknowledged, when every outcome is told.
    fn finish(self) -> (u64, u64) {
        // Each record that fails has its own line.
        let _ = self.producer.close(NO_LIMIT);
        (self.sent, self.acked.load(Ordering::Relaxed))
    }

    fn send(&mut self, key: Option<String>, value: String) {
        let mut record = ProducerRecord::new(&self.topic, value.as_str()).key(key.as_deref());
        if let Some(time) = &mut self.create_time {
            record = record.timestamp(Timestamp::from_millis(*time));
            // Kafka's adds all the time since the start, each time.
            *time = time.wrapping_add(now_ms() - self.begun_ms);
        }
        self.sent += 1;
        let (acked, topic) = (Arc::clone(&self.acked), Arc::clone(&self.topic));
        let (told_key, told_value) = (key.clone(), value.clone());
        let callback = move |outcome: Result<RecordMetadata, ProduceError>| match outcome {
            Ok(metadata) => {
                acked.fetch_add(1, Ordering::Relaxed);
                succeeded(told_key, told_value, &metadata);
            }
            Err(error) => failed(&topic, told_key, told_value, &error),
        };
        if let Err(error) = self.producer.send_with(&record, Box::new(callback)) {
            failed(&self.topic, key, value, &error);
        }
    }

    fn key(&mut self) -> Option<String> {
        let repeating = self.options.repeating_keys?;
        let key = self.next_key;
        self.next_key = key.wrapping_add(1);
        if self.next_key == repeating {
            self.next_key = 0;
        }
        Some(key.to_string())
    }

    fn value(&self) -> String {
        match self.options.value_prefix {
            Some(prefix) => format!("{prefix}.{}", self.sent),
            None => self.sent.to_string(),
        }
    }
}

fn succeeded(key: Option<String>, value: String, metadata: &RecordMetadata) {
    Line::new("producer_send_success")
        .with("key", key)
        .with("value", value)
        .with("offset", metadata.offset())
        .with("topic", metadata.topic())
        .with("partition", metadata.partition())
        .print();
}

fn failed<E: Error>(topic: &str, key: Option<String>, value: String, error: &E) {
    Line::new("producer_send_error")
        .with("topic", topic)
        .with("key", key)
        .with("value", value)
        .with("exception", std::any::type_name::<E>())
        .with("message", error.to_string())
        .print();
}
