//! SaslHandshake and SaslAuthenticate: which mechanism, and the mechanism's own messages.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Writer};

/// SaslHandshake request, version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslHandshakeRequest<'a> {
    /// The mechanism that the client means to use.
    pub mechanism: &'a str,
}

impl<'a> Message<'a> for SaslHandshakeRequest<'a> {
    const API_KEY: ApiKey = ApiKey::SASL_HANDSHAKE;

    fn decode(_: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { mechanism: reader.string()? })
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.string(self.mechanism);
    }
}

/// SaslHandshake response, version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslHandshakeResponse<'a> {
    /// Whether the broker has the mechanism.
    pub error_code: ErrorCode,
    /// Those that it has.
    pub mechanisms: Vec<&'a str>,
}

impl<'a> Message<'a> for SaslHandshakeResponse<'a> {
    const API_KEY: ApiKey = ApiKey::SASL_HANDSHAKE;

    fn decode(_: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { error_code: ErrorCode(reader.i16()?), mechanisms: reader.array(Reader::string)? })
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.i16(self.error_code.0);
        writer.array(&self.mechanisms, |writer, mechanism| writer.string(mechanism));
    }
}

/// SaslAuthenticate request, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslAuthenticateRequest<'a> {
    /// The client's message.
    pub auth_bytes: &'a [u8],
}

impl<'a> Message<'a> for SaslAuthenticateRequest<'a> {
    const API_KEY: ApiKey = ApiKey::SASL_AUTHENTICATE;

    fn decode(_: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let request = Self { auth_bytes: reader.nullable_bytes()?.unwrap_or_default() };
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.nullable_bytes(Some(self.auth_bytes));
        writer.no_tagged_fields();
    }
}

/// SaslAuthenticate response, versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslAuthenticateResponse<'a> {
    /// Whether the exchange goes on, or has ended well.
    pub error_code: ErrorCode,
    /// Why it has not.
    pub error_message: Option<&'a str>,
    /// The server's message.
    pub auth_bytes: &'a [u8],
    /// From version 1 on: how long the client is accepted; 0 without an end.
    pub session_lifetime_ms: i64,
}

impl<'a> Message<'a> for SaslAuthenticateResponse<'a> {
    const API_KEY: ApiKey = ApiKey::SASL_AUTHENTICATE;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let response = Self {
            error_code: ErrorCode(reader.i16()?),
            error_message: reader.nullable_string()?,
            auth_bytes: reader.nullable_bytes()?.unwrap_or_default(),
            session_lifetime_ms: if version >= 1 { reader.i64()? } else { 0 },
        };
        reader.skip_tagged_fields()?;
        Ok(response)
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.i16(self.error_code.0);
        writer.nullable_string(self.error_message);
        writer.nullable_bytes(Some(self.auth_bytes));
        if version >= 1 {
            writer.i64(self.session_lifetime_ms);
        }
        writer.no_tagged_fields();
    }
}
