//! ApiVersions: which APIs and versions a broker speaks.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Writer};

/// The tag of what all brokers of a cluster do, and the feature in it that matters here.
const FINALIZED_FEATURES: u32 = 2;
const TRANSACTION_VERSION: &str = "transaction.version";

fn decode_feature<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, i16), DecodeError> {
    let (name, level) = (reader.string()?, reader.i16()?);
    reader.i16()?;
    reader.skip_tagged_fields()?;
    Ok((name, level))
}

/// ApiVersions request, versions 0 to 4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiVersionsRequest<'a> {
    /// From version 3 on: the client's name.
    pub client_software_name: &'a str,
    /// From version 3 on: the client's version.
    pub client_software_version: &'a str,
}

impl<'a> Message<'a> for ApiVersionsRequest<'a> {
    const API_KEY: ApiKey = ApiKey::API_VERSIONS;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut request = Self::default();
        if version >= 3 {
            request.client_software_name = reader.string()?;
            request.client_software_version = reader.string()?;
        }
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        if version >= 3 {
            writer.string(self.client_software_name);
            writer.string(self.client_software_version);
        }
        writer.no_tagged_fields();
    }
}

/// ApiVersions response, versions 0 to 4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiVersionsResponse {
    /// The error of the whole request.
    pub error_code: ErrorCode,
    /// The APIs, by key.
    pub api_keys: Vec<ApiVersion>,
    /// From version 1 on.
    pub throttle_time_ms: i32,
    /// From version 3 on: the level of `transaction.version`, told where it is not 0.
    pub transaction_version: i16,
}

/// The versions of one API that a broker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion {
    /// The API.
    pub api_key: ApiKey,
    /// The first version.
    pub min_version: i16,
    /// The last version.
    pub max_version: i16,
}

impl ApiVersionsResponse {
    /// The versions of an API, if the broker has it.
    pub fn versions_of(&self, api_key: ApiKey) -> Option<ApiVersion> {
        self.api_keys.iter().find(|entry| entry.api_key == api_key).copied()
    }
}

impl<'a> Message<'a> for ApiVersionsResponse {
    const API_KEY: ApiKey = ApiKey::API_VERSIONS;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let error_code = ErrorCode(reader.i16()?);
        let api_keys = reader.array(|reader| {
            let entry = ApiVersion {
                api_key: ApiKey(reader.i16()?),
                min_version: reader.i16()?,
                max_version: reader.i16()?,
            };
            reader.skip_tagged_fields()?;
            Ok(entry)
        })?;
        let throttle_time_ms = if version >= 1 { reader.i32()? } else { 0 };
        let mut transaction_version = 0;
        reader.tagged_fields(|tag, content| {
            if tag == FINALIZED_FEATURES {
                for (name, level) in content.array(decode_feature)? {
                    if name == TRANSACTION_VERSION {
                        transaction_version = level;
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { error_code, api_keys, throttle_time_ms, transaction_version })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.i16(self.error_code.0);
        writer.array(&self.api_keys, |writer, entry| {
            writer.i16(entry.api_key.0);
            writer.i16(entry.min_version);
            writer.i16(entry.max_version);
            writer.no_tagged_fields();
        });
        if version >= 1 {
            writer.i32(self.throttle_time_ms);
        }
        if version >= 3 && self.transaction_version > 0 {
            let content = Writer::tag_content(|writer| {
                writer.array(&[self.transaction_version], |writer, level| {
                    writer.string(TRANSACTION_VERSION);
                    writer.i16(*level);
                    writer.i16(0);
                    writer.no_tagged_fields();
                });
            });
            writer.tagged_fields(&[(FINALIZED_FEATURES, content)]);
        } else {
            writer.no_tagged_fields();
        }
    }
}
