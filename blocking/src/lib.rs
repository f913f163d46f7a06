//! felice, a Kafka producer for edge gateways: the front-end for plain threads, on mio.
