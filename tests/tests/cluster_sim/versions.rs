//! ApiVersions, and what happens to versions that are not spoken.

use felice_tests::cluster::{Cluster, ClusterConfig, Release, Reply, SupportedVersions};
use felice_tests::protocol::{
    ApiKey, ErrorCode, RequestHeader,
    api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
    encode_request,
    metadata::{MetadataRequest, MetadataResponse},
};

use super::support::{NOW_US, ask, decode, one_topic, produce_bytes, reply, request_frame, values};

const FELICE: ApiVersionsRequest<'_> =
    ApiVersionsRequest { client_software_name: "felice", client_software_version: "0.1.0" };

#[test]
fn every_version_lists_what_is_spoken() {
    let mut cluster = one_topic();
    for version in 0..=4 {
        let response: ApiVersionsResponse = ask(&mut cluster, version, &FELICE);
        assert_eq!(response.error_code, ErrorCode::NONE);
        let produce = ApiVersion { api_key: ApiKey::PRODUCE, min_version: 0, max_version: 13 };
        assert_eq!(response.versions_of(ApiKey::PRODUCE), Some(produce), "v{version}");
        assert_eq!(response.api_keys.len(), 14);
    }
}

#[test]
fn a_version_too_new_is_answered_in_the_oldest_layout() {
    let mut cluster = one_topic();
    let frame = encode_request(&RequestHeader::new(ApiKey::API_VERSIONS, 99, 42), &FELICE);
    let Reply::Response { frame, .. } = cluster.handle_request(NOW_US, 1, &frame[4..]) else { panic!() };
    let response: ApiVersionsResponse = decode(0, frame);
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    let own = ApiVersion { api_key: ApiKey::API_VERSIONS, min_version: 0, max_version: 4 };
    assert_eq!(response.api_keys, [own]);
}

#[test]
fn an_old_broker_refuses_version_3_without_a_hint() {
    let mut cluster = one_topic();
    cluster.set_versions(SupportedVersions::of(Release::V2_1));
    let Reply::Response { frame, .. } = reply(&mut cluster, 3, &FELICE) else { panic!() };
    let response: ApiVersionsResponse = decode(0, frame);
    assert_eq!(
        response,
        ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() }
    );
    let response: ApiVersionsResponse = ask(&mut cluster, 0, &FELICE);
    assert_eq!(response.versions_of(ApiKey::PRODUCE).unwrap().max_version, 7);
    assert_eq!(response.versions_of(ApiKey::METADATA).unwrap().max_version, 7);
}

#[test]
fn a_client_with_an_odd_name_is_refused() {
    let mut cluster = one_topic();
    for name in ["", "-felice", "felice-", "fe lice", "felice\n"] {
        let request = ApiVersionsRequest { client_software_name: name, ..FELICE };
        let response: ApiVersionsResponse = ask(&mut cluster, 3, &request);
        assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST, "{name:?}");
    }
}

#[test]
fn produce_outside_of_3_to_13_closes_the_connection() {
    let mut cluster = one_topic();
    let batch = values(1).build();
    for version in 3..=13 {
        assert_eq!(produce_bytes(&mut cluster, version, &batch).error_code, ErrorCode::NONE, "v{version}");
    }
    for version in [-1, 0, 1, 2, 14] {
        let mut frame = request_frame(3, &MetadataRequest::all());
        frame[0..2].copy_from_slice(&ApiKey::PRODUCE.0.to_be_bytes());
        frame[2..4].copy_from_slice(&i16::to_be_bytes(version));
        assert_eq!(cluster.handle_request(NOW_US, 1, &frame), Reply::Close, "v{version}");
    }
}

#[test]
fn an_api_that_was_removed_closes_the_connection() {
    let mut cluster = one_topic();
    let mut versions = cluster.versions().clone();
    versions.remove(ApiKey::METADATA);
    cluster.set_versions(versions);
    assert_eq!(reply(&mut cluster, 9, &MetadataRequest::all()), Reply::Close);
    let response: ApiVersionsResponse = ask(&mut cluster, 3, &FELICE);
    assert_eq!(response.versions_of(ApiKey::METADATA), None);
}

#[test]
fn the_range_of_one_api_can_be_narrowed() {
    let mut cluster = Cluster::new(ClusterConfig::default());
    cluster.set_api_versions(ApiKey::METADATA, 5, 9);
    let _: MetadataResponse<'_> = ask(&mut cluster, 9, &MetadataRequest::all());
    assert_eq!(reply(&mut cluster, 10, &MetadataRequest::all()), Reply::Close);
    assert_eq!(reply(&mut cluster, 4, &MetadataRequest::all()), Reply::Close);
}
