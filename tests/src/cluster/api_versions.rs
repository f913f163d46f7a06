//! Which APIs and versions the brokers speak, and the answer to ApiVersions.

use std::collections::BTreeMap;

use crate::protocol::{
    ApiKey, ErrorCode,
    api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
};

use super::{
    Cluster,
    request::{Call, Response},
};

/// Produce requests below this version are refused, although versions from 0 on are advertised (KAFKA-18659).
const PRODUCE_MIN_VERSION: i16 = 3;

/// The APIs that are simulated, and in which versions.
const SIMULATED: [(ApiKey, i16, i16); 14] = [
    (ApiKey::PRODUCE, 0, 13),
    (ApiKey::FETCH, 4, 18),
    (ApiKey::LIST_OFFSETS, 1, 11),
    (ApiKey::METADATA, 0, 13),
    (ApiKey::API_VERSIONS, 0, 4),
    (ApiKey::INIT_PRODUCER_ID, 0, 5),
    (ApiKey::SASL_HANDSHAKE, 0, 1),
    (ApiKey::SASL_AUTHENTICATE, 0, 2),
    (ApiKey::DESCRIBE_PRODUCERS, 0, 0),
    // Those below 3 are not simulated, and close the connection.
    (ApiKey::FIND_COORDINATOR, 0, 6),
    (ApiKey::ADD_PARTITIONS_TO_TXN, 0, 5),
    (ApiKey::ADD_OFFSETS_TO_TXN, 0, 4),
    (ApiKey::END_TXN, 0, 5),
    (ApiKey::TXN_OFFSET_COMMIT, 0, 5),
];

/// The last versions that a release speaks, in the order of [`SIMULATED`]; -1 where it has none.
fn max_versions(release: Release) -> [i16; SIMULATED.len()] {
    match release {
        Release::V2_1 => [7, 10, 4, 7, 2, 1, 1, 0, -1, 2, 1, 1, 1, 2],
        Release::V2_4 => [8, 11, 5, 9, 3, 2, 1, 1, -1, 3, 1, 1, 1, 2],
        Release::V2_5 => [8, 11, 5, 9, 3, 3, 1, 2, -1, 3, 1, 1, 1, 3],
        Release::V2_8 => [9, 12, 6, 11, 3, 4, 1, 2, 0, 3, 3, 3, 3, 3],
        Release::V3_7 => [10, 16, 8, 12, 3, 4, 1, 2, 0, 4, 4, 3, 3, 3],
        Release::V3_9 => [11, 17, 9, 12, 4, 5, 1, 2, 0, 6, 5, 4, 4, 4],
        Release::V4_0 => [12, 17, 10, 13, 4, 5, 1, 2, 0, 6, 5, 4, 5, 5],
        Release::V4_3 => SIMULATED.map(|(_, _, max)| max),
    }
}

/// A release of Apache Kafka whose versions the brokers can pretend to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Release {
    /// 2.1: the oldest that today's clients support.
    V2_1,
    /// 2.4: flexible versions begin.
    V2_4,
    /// 2.5: the epoch of a producer id can be raised.
    V2_5,
    /// 2.8: flexible Produce, topic ids.
    V2_8,
    /// 3.7: leader hints.
    V3_7,
    /// 3.9: the last before 4.0.
    V3_9,
    /// 4.0.
    V4_0,
    /// 4.3: topic ids in Produce.
    V4_3,
}

/// The versions of each API that the brokers advertise and answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedVersions {
    ranges: BTreeMap<ApiKey, (i16, i16)>,
}

impl Default for SupportedVersions {
    fn default() -> Self {
        Self::of(Release::V4_3)
    }
}

impl SupportedVersions {
    /// What a release speaks, of the APIs that are simulated.
    pub fn of(release: Release) -> Self {
        let apis = SIMULATED.iter().map(|(api_key, min, _)| (*api_key, *min));
        let ranges = apis.zip(max_versions(release)).map(|((api_key, min), max)| (api_key, (min, max)));
        let ranges = ranges.filter(|(_, (min, max))| min <= max);
        Self { ranges: ranges.collect() }
    }

    /// Changes one API; a range beyond what is simulated is advertised, but closes the connection.
    pub fn set(&mut self, api_key: ApiKey, min_version: i16, max_version: i16) {
        self.ranges.insert(api_key, (min_version, max_version));
    }

    /// Makes the brokers not know an API.
    pub fn remove(&mut self, api_key: ApiKey) {
        self.ranges.remove(&api_key);
    }

    /// The first and the last version of an API, if the brokers know it.
    pub fn range(&self, api_key: ApiKey) -> Option<(i16, i16)> {
        self.ranges.get(&api_key).copied()
    }

    /// Whether a request is answered. What is advertised and what is simulated must both allow it.
    pub(super) fn allow(&self, api_key: ApiKey, version: i16) -> bool {
        let min_answered = if api_key == ApiKey::PRODUCE { PRODUCE_MIN_VERSION } else { 0 };
        let simulated = SIMULATED.iter().find(|(key, ..)| *key == api_key).map(|(_, min, max)| (*min, *max));
        let within =
            |range: Option<(i16, i16)>| range.is_some_and(|(min, max)| (min..=max).contains(&version));
        version >= min_answered && within(self.range(api_key)) && within(simulated)
    }

    fn entry(&self, api_key: ApiKey) -> Option<ApiVersion> {
        let (min_version, max_version) = self.range(api_key)?;
        Some(ApiVersion { api_key, min_version, max_version })
    }
}

impl Cluster {
    pub(super) fn api_versions(&self, call: &Call<'_>, request: &ApiVersionsRequest<'_>) -> Response {
        if let Some(error_code) = call.bend.error_code() {
            return self.api_versions_error(call, error_code);
        }
        let names_valid =
            [request.client_software_name, request.client_software_version].map(is_software_name);
        if call.header.api_version >= 3 && names_valid != [true, true] {
            return self.api_versions_error(call, ErrorCode::INVALID_REQUEST);
        }
        let api_keys = self.versions.ranges.keys().filter_map(|key| self.versions.entry(*key)).collect();
        let throttle_time_ms = self.throttle_time_ms;
        let transaction_version = self.transaction_version();
        call.respond(&ApiVersionsResponse {
            error_code: ErrorCode::NONE,
            api_keys,
            throttle_time_ms,
            transaction_version,
        })
    }

    /// A version that is not spoken is answered in the layout that every client knows, with the one entry that helps
    /// (KIP-511; brokers that do not have version 3 give no entry).
    pub(super) fn api_versions_error(&self, call: &Call<'_>, error_code: ErrorCode) -> Response {
        let unsupported = error_code == ErrorCode::UNSUPPORTED_VERSION;
        let own =
            self.versions.entry(ApiKey::API_VERSIONS).filter(|entry| unsupported && entry.max_version >= 3);
        let response = ApiVersionsResponse {
            error_code,
            api_keys: own.into_iter().collect(),
            throttle_time_ms: self.throttle_time_ms,
            transaction_version: 0,
        };
        call.respond_as(if unsupported { 0 } else { call.header.api_version }, &response)
    }
}

/// Letters and digits, with dots and dashes between them.
fn is_software_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let ends = [name.bytes().next(), name.bytes().next_back()];
    name.bytes().all(inner) && ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
}
