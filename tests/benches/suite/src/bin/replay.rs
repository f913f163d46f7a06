//! A raw socket that replays recorded Produce requests, made another producer's beforehand: what the broker takes when
//! a client does nothing but write. The file to replay is the variable `REPLAY`; `--mode sync` sends one at a time.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bench_harness::{Meter, Mode, Options};
use bench_suite::requests::{Produce, frames, readdress};
use felice_tests::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use felice_tests::protocol::metadata::{MetadataRequest, MetadataResponse};
use felice_tests::protocol::produce::ProduceResponse;
use felice_tests::protocol::{ApiKey, ErrorCode, Message, RequestHeader, decode_response, encode_request};

/// As many as an idempotent producer may have in flight.
const IN_FLIGHT: usize = 5;

fn main() {
    let options = Options::parse();
    let file = env::var("REPLAY").expect("REPLAY names the recorded requests");
    let recorded = fs::read(file).expect("it can be read");
    let mut stream = TcpStream::connect(&options.bootstrap).expect("the broker listens");
    stream.set_nodelay(true).expect("the socket is open");

    let metadata = MetadataRequest::of_topics([options.topic.as_str()]);
    let frame = ask(&mut stream, ApiKey::METADATA, 12, &metadata);
    let (_, metadata) = decode_response::<MetadataResponse<'_>>(12, &frame).expect("an answer");
    let topic_id = metadata.topics[0].topic_id;
    let frame = ask(&mut stream, ApiKey::INIT_PRODUCER_ID, 4, &InitProducerIdRequest::default());
    let (_, id) = decode_response::<InitProducerIdResponse>(4, &frame).expect("an answer");

    let mut requests: Vec<Vec<u8>> = frames(&recorded).map(<[u8]>::to_vec).collect();
    drop(recorded);
    let heads: Vec<Produce> = requests.iter().filter_map(|frame| Produce::find(frame)).collect();
    assert_eq!(heads.len(), requests.len());
    for frame in &mut requests {
        readdress(frame, (&options.topic, &topic_id), id.producer_id, id.producer_epoch);
    }

    let in_flight = if options.mode == Mode::Sync { 1 } else { IN_FLIGHT };
    let mut begun = Vec::with_capacity(requests.len());
    let mut answers = Vec::with_capacity(requests.len());
    let mut meter = Meter::start(&options);
    while answers.len() < requests.len() {
        while begun.len() < requests.len() && begun.len() - answers.len() < in_flight {
            begun.push(Instant::now());
            stream.write_all(&requests[begun.len() - 1]).expect("the broker reads");
        }
        answers.push(read(&mut stream));
        if options.mode == Mode::Sync {
            meter.latency(begun[begun.len() - 1].elapsed());
        }
    }
    meter.finish(options.records, 0, &options);
    for (head, answer) in heads.iter().zip(&answers) {
        let (id, response) = decode_response::<ProduceResponse<'_>>(head.version, answer).expect("an answer");
        assert_eq!(id, head.correlation_id);
        let outcomes = response.responses.iter().flat_map(|topic| &topic.partitions);
        assert!(outcomes.map(|it| it.error_code).all(|code| code == ErrorCode::NONE), "{response:?}");
    }
}

fn ask<'a, M: Message<'a>>(stream: &mut TcpStream, key: ApiKey, version: i16, request: &M) -> Vec<u8> {
    let header = RequestHeader::new(key, version, 0);
    stream.write_all(&encode_request(&header, request)).expect("the broker reads");
    read(stream)
}

/// The next frame, without its length.
fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("the broker answers");
    let mut frame = vec![0; i32::from_be_bytes(length).try_into().expect("a length")];
    stream.read_exact(&mut frame).expect("the broker answers");
    frame
}
