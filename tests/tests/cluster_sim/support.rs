//! Asking a cluster as a client would, on a virtual clock.

use felice_tests::cluster::{Cluster, ClusterConfig, Reply};
use felice_tests::protocol::{
    ApiKey, Message, RequestHeader,
    batch_builder::BatchBuilder,
    decode_response, encode_request,
    produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse},
};

/// The virtual time of these tests, in milliseconds and microseconds.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
pub(crate) const NOW_US: u64 = NOW_MS as u64 * 1000;

/// The Produce version of tests that are not about versions.
pub(crate) const PRODUCE_VERSION: i16 = 9;

/// One broker, one topic `t` of one partition.
pub(crate) fn one_topic() -> Cluster {
    let mut cluster = Cluster::new(ClusterConfig::default());
    cluster.create_topic("t", 1);
    cluster
}

/// Three brokers, one topic `t` of three partitions, led by 1, 2 and 3.
pub(crate) fn three_brokers() -> Cluster {
    let mut cluster = Cluster::new(ClusterConfig { brokers: 3, ..ClusterConfig::default() });
    cluster.create_topic("t", 3);
    cluster
}

/// A request's frame without its length.
pub(crate) fn request_frame<'a, M: Message<'a>>(version: i16, request: &M) -> Vec<u8> {
    let header = RequestHeader { client_id: Some("test"), ..RequestHeader::new(M::API_KEY, version, 42) };
    encode_request(&header, request)[4..].to_vec()
}

/// The reply of broker 1 to a request.
pub(crate) fn reply<'a, M: Message<'a>>(cluster: &mut Cluster, version: i16, request: &M) -> Reply {
    cluster.handle_request(NOW_US, 1, &request_frame(version, request))
}

/// A broker's answer to a request. Its bytes live as long as the test, so that it can borrow from them.
pub(crate) fn ask_broker<'a, M: Message<'a>, R: Message<'static>>(
    cluster: &mut Cluster,
    broker_id: i32,
    version: i16,
    request: &M,
) -> R {
    let reply = cluster.handle_request(NOW_US, broker_id, &request_frame(version, request));
    let Reply::Response { frame, .. } = reply else { panic!("{reply:?} instead of an answer") };
    decode(version, frame)
}

/// The answer of broker 1 to a request.
pub(crate) fn ask<'a, M: Message<'a>, R: Message<'static>>(
    cluster: &mut Cluster,
    version: i16,
    request: &M,
) -> R {
    ask_broker(cluster, 1, version, request)
}

/// A response's body.
pub(crate) fn decode<R: Message<'static>>(version: i16, frame: Vec<u8>) -> R {
    let (correlation_id, response) =
        decode_response(version, &Box::leak(frame.into_boxed_slice())[4..]).unwrap();
    assert_eq!(correlation_id, 42);
    response
}

/// The outcome of one batch for `t`-0 at broker 1.
pub(crate) fn produce(cluster: &mut Cluster, batch: &BatchBuilder) -> PartitionProduceResponse<'static> {
    produce_bytes(cluster, PRODUCE_VERSION, &batch.build())
}

/// The outcome of bytes as the batch for `t`-0 at broker 1.
pub(crate) fn produce_bytes(
    cluster: &mut Cluster,
    version: i16,
    batch: &[u8],
) -> PartitionProduceResponse<'static> {
    let mut request = ProduceRequest::of_batch("t", 0, batch);
    request.topics[0].topic_id = cluster.topic_id("t").unwrap_or_default();
    only_partition(ask(cluster, version, &request))
}

/// The one outcome of a Produce response.
pub(crate) fn only_partition(response: ProduceResponse<'static>) -> PartitionProduceResponse<'static> {
    assert_eq!(response.responses.len(), 1);
    let mut partitions = response.responses.into_iter().next().unwrap().partitions;
    assert_eq!(partitions.len(), 1);
    partitions.remove(0)
}

/// A batch of `count` records at the time of the tests.
pub(crate) fn values(count: usize) -> BatchBuilder {
    BatchBuilder::of_values(NOW_MS, (0..count).map(|index| format!("value {index}")))
}

/// How many requests of an API arrived.
pub(crate) fn requests(cluster: &Cluster, api_key: ApiKey) -> u64 {
    cluster.requests().count(api_key)
}
