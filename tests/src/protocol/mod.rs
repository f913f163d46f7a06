//! Kafka's wire protocol as the tests see it: a small two-way codec of its own.
//!
//! It shares no code with felice: what felice encodes is decoded here by another implementation, and the other way
//! round. Every message can be encoded and decoded, so that the simulated cluster (server side) and raw request
//! scripts (client side) use the same types. One file per API; a type's fields are those of Kafka's own message
//! definitions, for all versions at once: a field that a version lacks is left out, or has its default.
//!
//! ```
//! use felice_tests::protocol::{ApiKey, metadata::MetadataRequest, RequestHeader, decode_request, encode_request};
//!
//! let request = MetadataRequest::of_topics(["readings"]);
//! let header = RequestHeader::new(ApiKey::METADATA, 12, 7);
//! let bytes = encode_request(&header, &request);
//! let (header, mut body) = decode_request(&bytes[4..]).unwrap(); // a frame comes without its length
//! assert_eq!(header.correlation_id, 7);
//! assert_eq!(body.message::<MetadataRequest<'_>>(header.api_version).unwrap(), request);
//! ```

pub mod api_versions;
pub mod batch_builder;
mod codes;
pub mod decompress;
pub mod describe_producers;
pub mod fetch;
pub mod frame;
mod header;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod produce;
mod reader;
pub mod records;
pub mod sasl;
pub mod transactions;
mod writer;

pub use codes::{ApiKey, ErrorCode};
pub use header::{RequestHeader, decode_request, decode_response, encode_request, encode_response};
pub use reader::{DecodeError, Reader};
pub use writer::Writer;

/// A topic id: 16 bytes, all zero when unknown.
pub type Uuid = [u8; 16];

/// The topic id of a topic that has none.
pub const ZERO_UUID: Uuid = [0; 16];

/// A request's or a response's body.
pub trait Message<'a>: Sized {
    /// The API that the message belongs to.
    const API_KEY: ApiKey;

    /// Reads the body in the layout of `version`.
    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Writes the body in the layout of `version`.
    fn encode(&self, version: i16, writer: &mut Writer);
}
