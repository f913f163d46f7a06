//! A batch's bytes against Kafka's own.
