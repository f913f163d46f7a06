//! felice, a Kafka producer for edge gateways: the front-end for async code, on smol.
//!
//! There is no code here yet. This crate will be to `async` code what `felice-blocking` is to threads: the same core,
//! the same settings, the same three ways of sending, the same guarantees, with `.await` where the other one waits.
//!
//! * `send(&record).await?` waits for memory only, and gives a handle. The handle is itself a future: awaited, it is
//!   the record's metadata or what happened instead; dropped, the record is sent all the same.
//! * A future that is dropped before it is ready loses nothing: before the first `.await` is over the record was not
//!   accepted, afterwards it has exactly one outcome.
//! * All brokers are served by one smol task. Dropping the last producer leaves it to finish by itself.
//!
//! Until then, `felice-blocking` works beside async code: `try_send` never waits, and a callback can pass an outcome on.
