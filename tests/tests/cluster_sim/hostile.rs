//! Garbage from the network: no panic, no memory for a lie.

use felice_tests::cluster::{Connection, Progress, Reply};
use felice_tests::protocol::{
    ApiKey, DecodeError, Message, RequestHeader,
    api_versions::ApiVersionsRequest,
    encode_request,
    fetch::FetchRequest,
    frame::{FRAME_BYTES_MAX, FrameBuffer},
    init_producer_id::InitProducerIdRequest,
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
    metadata::MetadataRequest,
    produce::ProduceRequest,
    records,
};

use super::support::{NOW_US, one_topic, request_frame, values};

/// Marsaglia's xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// One request of each API and layout, without the length.
fn requests() -> Vec<Vec<u8>> {
    let batch = values(3).producer(7, 0, 0).build();
    let produce = ProduceRequest::of_batch("t", 0, &batch);
    let partition = ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp: 0 };
    let topics = vec![ListOffsetsTopic { name: "t", partitions: vec![partition] }];
    let list_offsets = ListOffsetsRequest { replica_id: -1, isolation_level: 0, topics, timeout_ms: 0 };
    let software = ApiVersionsRequest { client_software_name: "a", client_software_version: "b" };
    vec![
        request_frame(3, &produce),
        request_frame(9, &produce),
        request_frame(1, &MetadataRequest::of_topics(["t"])),
        request_frame(12, &MetadataRequest::of_topics(["t"])),
        request_frame(0, &software),
        request_frame(3, &software),
        request_frame(0, &InitProducerIdRequest::default()),
        request_frame(4, &InitProducerIdRequest::default()),
        request_frame(4, &FetchRequest::of_partition("t", 0, 0)),
        request_frame(12, &FetchRequest::of_partition("t", 0, 0)),
        request_frame(1, &list_offsets),
        request_frame(7, &list_offsets),
    ]
}

#[test]
fn a_request_cut_anywhere_closes_the_connection() {
    let mut cluster = one_topic();
    for (number, request) in requests().iter().enumerate() {
        assert!(
            matches!(cluster.handle_request(NOW_US, 1, request), Reply::Response { .. }),
            "request {number}"
        );
        for cut in 0..request.len() {
            let reply = cluster.handle_request(NOW_US, 1, &request[..cut]);
            // Old layouts without a body leave nothing that could be missing.
            let complete = ApiKey(i16::from_be_bytes([request[0], request[1]])) == ApiKey::API_VERSIONS;
            assert!(reply == Reply::Close || complete, "request {number} cut at {cut}: {reply:?}");
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let requests = requests();
    for round in 0..60 {
        let mut cluster = one_topic();
        for request in &requests {
            for _ in 0..40 {
                let mut changed = request.clone();
                for _ in 0..=random.below(4) {
                    let at = random.below(changed.len());
                    changed[at] = [0, 1, 0x7f, 0x80, 0xff, round as u8][random.below(6)];
                }
                // Whatever the reply: the cluster lives on.
                let _ = cluster.handle_request(NOW_US, 1, &changed);
            }
        }
    }
}

#[test]
fn changed_batches_never_panic() {
    let mut random = Random(77);
    let batch = values(3).record(Some(b"k"), None).build();
    for _ in 0..20_000 {
        let mut changed = batch.clone();
        let at = random.below(changed.len());
        changed[at] = random.below(256) as u8;
        let cut = random.below(changed.len() + 1);
        let _ = records::decode(&changed);
        let _ = records::decode(&changed[..cut]);
    }
}

#[test]
fn lengths_that_lie_reserve_nothing() {
    let mut cluster = one_topic();
    let mut request = request_frame(9, &MetadataRequest::of_topics(["t"]));
    let array_length_at = request.len() - 7;
    assert_eq!(request[array_length_at], 2, "one topic, compact");
    request.splice(array_length_at..=array_length_at, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(cluster.handle_request(NOW_US, 1, &request), Reply::Close);
    let no_records = records::decode(&values(1).declared_count(i32::MAX).build());
    assert_eq!(no_records, Err(DecodeError::Truncated));
}

#[test]
fn impossible_frame_lengths_end_the_stream() {
    for length in [-1, i32::MIN, i32::MAX, FRAME_BYTES_MAX as i32 + 1] {
        let mut frames = FrameBuffer::new();
        frames.push(&length.to_be_bytes());
        assert_eq!(frames.next_frame(), Err(DecodeError::InvalidLength(length.into())));
        let mut connection = Connection::new(1);
        connection.push(&length.to_be_bytes());
        assert_eq!(connection.advance(&mut one_topic(), NOW_US, &mut Vec::new()), Progress::Closed);
    }
    let mut connection = Connection::new(1);
    connection.push(&[0; 4]);
    assert_eq!(connection.advance(&mut one_topic(), NOW_US, &mut Vec::new()), Progress::Closed);
}

#[test]
fn unknown_apis_close_the_connection() {
    let mut cluster = one_topic();
    for api_key in [-1, 4, 8, 19, 68, i16::MAX] {
        let header = RequestHeader::new(ApiKey(api_key), 0, 1);
        let request = encode_request(&header, &ApiVersionsRequest::default());
        assert_eq!(cluster.handle_request(NOW_US, 1, &request[4..]), Reply::Close);
    }
    assert_eq!(cluster.handle_request(NOW_US, 9, &requests()[0]), Reply::Close, "no such broker");
    assert_eq!(ApiVersionsRequest::API_KEY, ApiKey::API_VERSIONS);
}
