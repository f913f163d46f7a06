//! Whole requests: acks, pipelining, many partitions, bytes that are no request.

use crate::conformance::session::{PRODUCE, batch, now, of_batches};
use crate::conformance::{Script, Session, Topic};
use crate::protocol::api_versions::ApiVersionsRequest;
use crate::protocol::batch_builder::BatchBuilder;
use crate::protocol::metadata::MetadataRequest;
use crate::protocol::{ApiKey, RequestHeader, encode_request};

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "acks", run: acks },
    Script { name: "pipelining", run: pipelining },
    Script { name: "many-partitions", run: many_partitions },
    Script { name: "unknown-topics", run: unknown_topics },
    Script { name: "no-request", run: no_request },
];

fn acks(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let right = batch().build();
    for acks in [-1, 1, 2, -2] {
        session.exchange(&format!("acks={acks}"), PRODUCE, &of_batches(&topic, acks, &[(0, Some(&right))]));
    }
    session.exchange("acks=2, v7", 7, &of_batches(&topic, 2, &[(0, Some(&right))]));

    // No answer: the next one is that of the next request, and its offset shows the silent append.
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&right))]));
    session.send(PRODUCE, &of_batches(&topic, 1, &[(0, Some(&right))]));
    session.receive("acks=0 is not answered", ApiKey::PRODUCE, PRODUCE);

    // A write that fails and may not be answered closes the connection.
    let wrong = batch().wrong_crc().build();
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&wrong))]));
    session.expect_closed("acks=0 with a wrong CRC");
    session.send(PRODUCE, &of_batches(&topic, 0, &[(9, Some(&right))]));
    session.expect_closed("acks=0 to an unknown partition");
    let unknown = Topic { name: "nowhere".to_owned(), id: [7; 16] };
    session.send(PRODUCE, &of_batches(&unknown, 0, &[(0, Some(&right))]));
    session.expect_closed("acks=0 to an unknown topic");
    session.produce("nothing of these was appended", &topic, &right);
}

fn pipelining(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let (right, wrong) = (batch().build(), batch().wrong_crc().build());
    let batches = [&right, &right, &wrong, &right, &right, &right];
    for batch in batches {
        session.send(PRODUCE, &of_batches(&topic, -1, &[(0, Some(batch))]));
    }
    for n in 1..=batches.len() {
        session.receive(&format!("answer {n}"), ApiKey::PRODUCE, PRODUCE);
    }

    // Answers keep the order of the requests, whatever the APIs.
    session.send(PRODUCE, &of_batches(&topic, -1, &[(0, Some(&right))]));
    session.send(3, &ApiVersionsRequest { client_software_name: "felice", client_software_version: "1" });
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&right))]));
    session.send(PRODUCE, &of_batches(&topic, 1, &[(0, Some(&right))]));
    session.receive("the first", ApiKey::PRODUCE, PRODUCE);
    session.receive("the second", ApiKey::API_VERSIONS, 3);
    session.receive("the fourth", ApiKey::PRODUCE, PRODUCE);
}

fn many_partitions(session: &mut Session<'_>) {
    let (first, second) = (session.topic(3), session.topic(2));
    let (right, wrong) = (batch().build(), batch().wrong_crc().build());
    let request =
        of_batches(&first, -1, &[(2, Some(&right)), (0, Some(&wrong)), (1, Some(&right)), (3, Some(&right))]);
    session.exchange("each has its own outcome", PRODUCE, &request);

    let mut request = of_batches(&first, -1, &[(0, Some(&right))]);
    request.topics.extend(of_batches(&second, -1, &[(1, Some(&right)), (0, Some(&right))]).topics);
    session.exchange("two topics", PRODUCE, &request);
    session.exchange("two topics, v13", 13, &request);
    session.exchange("two topics, v7", 7, &request);

    request.topics.clear();
    session.exchange("no topic", PRODUCE, &request);
    session.exchange("a topic without partitions", PRODUCE, &of_batches(&first, -1, &[]));
    session.exchange("no bytes for a batch", PRODUCE, &of_batches(&first, -1, &[(0, Some(&[]))]));

    let two = [right.clone(), right.clone()].concat();
    session.exchange("two batches for a partition", PRODUCE, &of_batches(&first, -1, &[(0, Some(&two))]));
    session.exchange("two batches for a partition, v7", 7, &of_batches(&first, -1, &[(0, Some(&two))]));
    session.produce_to("and none of the two was appended", &first, 0, &right);

    let many = BatchBuilder::of_values(now(), (0..100).map(|n| n.to_string())).build();
    session.produce_to("a hundred records", &first, 0, &many);
    session.produce_to("the next offset", &first, 0, &right);
}

fn unknown_topics(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let batch = batch().build();
    let unknown = Topic { name: "nowhere".to_owned(), id: [7; 16] };
    for version in [7, 9, 12, 13] {
        session.exchange(&format!("v{version}"), version, &of_batches(&unknown, -1, &[(0, Some(&batch))]));
    }
    let zero = Topic { id: [0; 16], ..unknown };
    session.exchange("the zero id", 13, &of_batches(&zero, -1, &[(0, Some(&batch))]));
    for name in ["", "not/allowed", ".."] {
        let invalid = Topic { name: name.to_owned(), id: [0; 16] };
        session.exchange(
            &format!("the name {name:?}"),
            PRODUCE,
            &of_batches(&invalid, -1, &[(0, Some(&batch))]),
        );
    }
    for partition in [1, -1] {
        session.produce_to(&format!("partition {partition}"), &topic, partition, &batch);
    }
}

fn no_request(session: &mut Session<'_>) {
    session.send_raw(&[0, 0, 0, 8, 3, 231, 0, 0, 0, 0, 0, 1]);
    session.expect_closed("an unknown API");

    session.send_raw(&[0xff; 4]);
    session.expect_closed("a negative length");

    session.send_raw(&[0x7f, 0xff, 0xff, 0xff]);
    session.expect_closed("a length of 2 GiB");

    session.send_raw(&[0, 0, 0, 2, 0, 3]);
    session.expect_closed("a header cut short");

    // The body says one topic, and ends.
    session.send_raw(&[0, 0, 0, 14, 0, 3, 0, 7, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1]);
    session.expect_closed("a body cut short");

    let bytes = encode_request(&RequestHeader::new(ApiKey::METADATA, 12, 0), &MetadataRequest::of_topics([]));
    let header = RequestHeader { client_id: Some("a client"), ..RequestHeader::new(ApiKey::METADATA, 12, 0) };
    session.send_raw(&encode_request(&header, &MetadataRequest::of_topics([])));
    session.receive("a client id", ApiKey::METADATA, 12);
    // One byte at a time is the same request.
    for byte in bytes {
        session.send_raw(&[byte]);
    }
    session.receive("byte by byte", ApiKey::METADATA, 12);
}
