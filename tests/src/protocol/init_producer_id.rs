//! InitProducerId: a producer id and epoch.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Writer};

/// InitProducerId request, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProducerIdRequest<'a> {
    /// Null for a producer that is idempotent only.
    pub transactional_id: Option<&'a str>,
    /// How long a transaction may stay open.
    pub transaction_timeout_ms: i32,
    /// From version 3 on: the id whose epoch is to be raised, or -1.
    pub producer_id: i64,
    /// From version 3 on: its present epoch, or -1.
    pub producer_epoch: i16,
}

impl Default for InitProducerIdRequest<'_> {
    fn default() -> Self {
        Self { transactional_id: None, transaction_timeout_ms: i32::MAX, producer_id: -1, producer_epoch: -1 }
    }
}

impl<'a> Message<'a> for InitProducerIdRequest<'a> {
    const API_KEY: ApiKey = ApiKey::INIT_PRODUCER_ID;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut request = Self {
            transactional_id: reader.nullable_string()?,
            transaction_timeout_ms: reader.i32()?,
            ..Self::default()
        };
        if version >= 3 {
            request.producer_id = reader.i64()?;
            request.producer_epoch = reader.i16()?;
        }
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.nullable_string(self.transactional_id);
        writer.i32(self.transaction_timeout_ms);
        if version >= 3 {
            writer.i64(self.producer_id);
            writer.i16(self.producer_epoch);
        }
        writer.no_tagged_fields();
    }
}

/// InitProducerId response, versions 0 to 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProducerIdResponse {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// The error of the whole request.
    pub error_code: ErrorCode,
    /// The producer id, or -1.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

impl<'a> Message<'a> for InitProducerIdResponse {
    const API_KEY: ApiKey = ApiKey::INIT_PRODUCER_ID;

    fn decode(_: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            error_code: ErrorCode(reader.i16()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
        };
        reader.skip_tagged_fields()?;
        Ok(response)
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        writer.i16(self.error_code.0);
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        writer.no_tagged_fields();
    }
}
