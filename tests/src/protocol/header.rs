//! The headers of requests and responses, and whole frames.

use super::{ApiKey, DecodeError, Message, Reader, Writer};

/// What stands before every request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// Which API.
    pub api_key: ApiKey,
    /// Which version of it.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// Who asks.
    pub client_id: Option<&'a str>,
}

impl<'a> RequestHeader<'a> {
    /// A header without a client id.
    pub fn new(api_key: ApiKey, api_version: i16, correlation_id: i32) -> Self {
        Self { api_key, api_version, correlation_id, client_id: None }
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let api_key = ApiKey(reader.i16()?);
        let api_version = reader.i16()?;
        let correlation_id = reader.i32()?;
        // The client id has a two-byte length in every version: a broker must be able to read it of any client.
        let client_id = reader.nullable_string()?;
        reader.set_flexible(api_key.is_flexible(api_version));
        reader.skip_tagged_fields()?;
        Ok(Self { api_key, api_version, correlation_id, client_id })
    }

    fn encode(&self, writer: &mut Writer) {
        writer.i16(self.api_key.0);
        writer.i16(self.api_version);
        writer.i32(self.correlation_id);
        writer.nullable_string(self.client_id);
        writer.set_flexible(self.api_key.is_flexible(self.api_version));
        writer.no_tagged_fields();
    }
}

/// A request's header, and a reader that stands at its body. `frame` comes without its length.
pub fn decode_request(frame: &[u8]) -> Result<(RequestHeader<'_>, Reader<'_>), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader)?;
    Ok((header, reader))
}

/// A request as it goes over the wire, its length in front.
pub fn encode_request<'a, M: Message<'a>>(header: &RequestHeader<'_>, request: &M) -> Vec<u8> {
    let mut writer = Writer::frame();
    header.encode(&mut writer);
    request.encode(header.api_version, &mut writer);
    writer.into_frame()
}

/// A response's correlation id and body; every byte must be used. `frame` comes without its length.
pub fn decode_response<'a, M: Message<'a>>(version: i16, frame: &'a [u8]) -> Result<(i32, M), DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.i32()?;
    reader.set_flexible(M::API_KEY.is_flexible(version));
    if has_tagged_header(M::API_KEY) {
        reader.skip_tagged_fields()?;
    }
    let message = M::decode(version, &mut reader)?;
    reader.finish()?;
    Ok((correlation_id, message))
}

/// A response as it goes over the wire, its length in front.
pub fn encode_response<'a, M: Message<'a>>(correlation_id: i32, version: i16, response: &M) -> Vec<u8> {
    let mut writer = Writer::frame();
    writer.i32(correlation_id);
    writer.set_flexible(M::API_KEY.is_flexible(version));
    if has_tagged_header(M::API_KEY) {
        writer.no_tagged_fields();
    }
    response.encode(version, &mut writer);
    writer.into_frame()
}

/// An ApiVersions response never has tagged fields in its header: the client does not know yet what the broker speaks.
fn has_tagged_header(api_key: ApiKey) -> bool {
    api_key != ApiKey::API_VERSIONS
}
