//! A simulated Kafka cluster, a launcher for the real one, and felice's behaviour suite.
