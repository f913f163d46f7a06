//! Connections as values: cut anywhere, answered in order.

use felice_tests::cluster::{Action, Cluster, Connection, Fault, Progress};
use felice_tests::protocol::{
    ApiKey, RequestHeader, encode_request, frame::FrameBuffer, metadata::MetadataRequest,
    produce::ProduceRequest,
};

use super::support::{NOW_US, one_topic, values};

/// Three requests with the correlation ids 1, 2 and 3; the second has no answer.
fn three_requests() -> Vec<u8> {
    let batch = values(1).build();
    let with_acks = |acks| ProduceRequest { acks, ..ProduceRequest::of_batch("t", 0, &batch) };
    [
        encode_request(&RequestHeader::new(ApiKey::PRODUCE, 9, 1), &with_acks(-1)),
        encode_request(&RequestHeader::new(ApiKey::PRODUCE, 9, 2), &with_acks(0)),
        encode_request(&RequestHeader::new(ApiKey::METADATA, 12, 3), &MetadataRequest::all()),
    ]
    .concat()
}

fn correlation_ids(output: &[u8]) -> Vec<i32> {
    let mut frames = FrameBuffer::new();
    frames.push(output);
    let mut ids = Vec::new();
    while let Some(frame) = frames.next_frame().unwrap() {
        ids.push(i32::from_be_bytes(frame[..4].try_into().unwrap()));
    }
    ids
}

fn whole() -> (Cluster, Connection, Vec<u8>) {
    (one_topic(), Connection::new(1), Vec::new())
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_answers() {
    let (mut cluster, mut connection, mut expected) = whole();
    connection.push(&three_requests());
    assert_eq!(connection.advance(&mut cluster, NOW_US, &mut expected), Progress::Read);
    assert_eq!(correlation_ids(&expected), [1, 3]);
    for size in [1, 2, 3, 7, 100] {
        let (mut cluster, mut connection, mut output) = whole();
        for piece in three_requests().chunks(size) {
            connection.push(piece);
            assert_eq!(connection.advance(&mut cluster, NOW_US, &mut output), Progress::Read);
        }
        assert_eq!(output, expected, "pieces of {size}");
    }
}

#[test]
fn a_late_answer_holds_up_what_follows_it() {
    let (mut cluster, mut connection, mut output) = whole();
    cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(1000)));
    connection.push(&three_requests());
    assert_eq!(connection.advance(&mut cluster, NOW_US, &mut output), Progress::WaitUntil(NOW_US + 1000));
    assert_eq!(
        connection.advance(&mut cluster, NOW_US + 999, &mut output),
        Progress::WaitUntil(NOW_US + 1000)
    );
    assert_eq!((output.len(), cluster.log("t", 0).next_offset()), (0, 1));
    assert_eq!(connection.advance(&mut cluster, NOW_US + 1000, &mut output), Progress::Read);
    assert_eq!((correlation_ids(&output), cluster.log("t", 0).next_offset()), (vec![1, 3], 2));
}

#[test]
fn a_connection_that_owes_an_answer_is_silent() {
    let (mut cluster, mut connection, mut output) = whole();
    cluster.inject(Fault::new(ApiKey::PRODUCE, Action::ApplyThenDrop));
    for _ in 0..3 {
        connection.push(&three_requests());
        assert_eq!(connection.advance(&mut cluster, NOW_US, &mut output), Progress::Read);
    }
    assert_eq!((output.len(), cluster.log("t", 0).next_offset()), (0, 1));
}

#[test]
fn what_was_answered_before_the_end_is_still_sent() {
    let (mut cluster, mut connection, mut output) = whole();
    cluster.inject(Fault::new(ApiKey::METADATA, Action::Close));
    connection.push(&three_requests());
    assert_eq!(connection.advance(&mut cluster, NOW_US, &mut output), Progress::Closed);
    assert_eq!(correlation_ids(&output), [1]);
    assert_eq!(connection.advance(&mut cluster, NOW_US, &mut output), Progress::Closed);
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let run = || {
        let (mut cluster, mut connection, mut output) = whole();
        for _ in 0..5 {
            connection.push(&three_requests());
            connection.advance(&mut cluster, NOW_US, &mut output);
        }
        output
    };
    assert_eq!(run(), run());
}

#[test]
fn frames_of_all_sizes_pass_through_one_buffer() {
    let lengths: Vec<usize> =
        (0..400).map(|index| (index * 7919) % 3000).chain([300_000, 1, 0, 40_000]).collect();
    let mut stream = Vec::new();
    for (index, length) in lengths.iter().enumerate() {
        stream.extend_from_slice(&(*length as i32).to_be_bytes());
        stream.resize(stream.len() + length, index as u8);
    }
    for piece_bytes in [1, 1000, 16_384, 100_000] {
        let (mut frames, mut found) = (FrameBuffer::new(), Vec::new());
        for piece in stream.chunks(piece_bytes) {
            frames.push(piece);
            while let Some(frame) = frames.next_frame().unwrap() {
                assert!(frame.iter().all(|byte| *byte == found.len() as u8), "frame {}", found.len());
                found.push(frame.len());
            }
        }
        assert_eq!(found, lengths, "pieces of {piece_bytes}");
    }
}
