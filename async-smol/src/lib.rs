//! felice, a Kafka producer for edge gateways: the front-end for async code, on smol.
