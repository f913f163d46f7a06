//! Records that go out compressed, by each of Kafka's types: they are read back as they were, also where the broker finds
//! their batches too large, or does not know how they are compressed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use felice_core::compression::Compression;
use felice_core::record::ProducerRecord;
use felice_host::surface::Warning;

use super::{FrontEnd, PATIENCE, Target, Witness, builder, wait_until};
use crate::cluster::{Action, Cluster, Fault};
use crate::protocol::{ApiKey, ErrorCode};

/// All types but none.
const TYPES: [Compression; 4] = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// What values are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    /// They shrink a lot.
    Even,
    /// They do not.
    Noise,
    /// Some do.
    Mixed,
}

impl Data {
    /// Topics of real Kafka take some seconds each: there what is mixed stands for the others.
    fn kinds(target: &Target) -> &'static [Self] {
        match target {
            Target::Simulated(..) => &[Self::Mixed, Self::Even, Self::Noise],
            Target::Real(_) | Target::Far(_) => &[Self::Mixed],
        }
    }

    fn value(self, number: u64, bytes: usize) -> Vec<u8> {
        let mut value = Witness::value(number, bytes);
        if self == Self::Noise || (self == Self::Mixed && (number / 40).is_multiple_of(2)) {
            let mut state = number ^ 0x9e37_79b9_7f4a_7c15;
            for byte in &mut value[8..] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
        }
        value
    }
}

/// Each type, and each kind of data: what was sent is read, by Kafka's own consumer where it is real.
pub fn each_type_is_read_back<F: FrontEnd>(target: &Target) {
    const RECORDS: u64 = 3_000;
    let topic = |compression: Compression, data: Data| format!("{}-{compression}-{data:?}", F::NAME);
    let all = || TYPES.into_iter().flat_map(|it| Data::kinds(target).iter().map(move |data| (it, *data)));
    let witnesses: Vec<_> = all().map(|_| Witness::default()).collect();
    for ((compression, data), witness) in all().zip(&witnesses) {
        let topic = topic(compression, data);
        target.create_topic(&topic, 2);
        let builder = builder(target).compression_type(compression).callback(witness.clone());
        let producer: F = builder.linger(Duration::from_millis(2)).build().expect("the settings fit");
        for number in 0..RECORDS {
            let value = data.value(number, 100 + (number % 300) as usize);
            let record = ProducerRecord::new(&topic, value).key(number % 50);
            producer.send_with_token(&record, number).expect("there is room");
        }
        producer.close(PATIENCE).expect("nothing is left");
    }
    for ((compression, data), witness) in all().zip(&witnesses) {
        let topic = topic(compression, data);
        let stored = target.read(&topic);
        witness.check(RECORDS, &stored);
        assert!(witness.failures().is_empty());
        for record in &stored {
            let value = record.value.as_deref().expect("it has a value");
            let number = Witness::number(value);
            assert!(value == data.value(number, value.len()), "{compression}, {data:?}: record {number}");
        }
        if let Target::Simulated(cluster, _) = target {
            let codecs = cluster.with(|cluster| {
                let codecs =
                    |partition| cluster.log(&topic, partition).batches().map(|it| it.header().codec());
                (0..2).flat_map(codecs).collect::<Vec<_>>()
            });
            let compressed = codecs.iter().filter(|codec| **codec == compression as u8).count();
            assert!(codecs.iter().all(|codec| [0, compression as u8].contains(codec)), "{codecs:?}");
            match data {
                Data::Even => assert_eq!(compressed, codecs.len(), "{topic}"),
                Data::Noise | Data::Mixed => {}
            }
        }
    }
}

/// Topics may differ, and what is named by nobody goes as the producer's own setting says.
pub fn topics_differ<F: FrontEnd>(target: &Target) {
    let topics: Vec<_> = Compression::ALL.map(|it| (it, format!("{}-differs-{it}", F::NAME))).into();
    let mut builder = builder::<F>(target).compression_type(Compression::Zstd);
    for (compression, topic) in &topics {
        target.create_topic(topic, 1);
        if *compression != Compression::Zstd {
            builder = builder.topic_compression_type(topic, *compression);
        }
    }
    let producer: F = builder.build().expect("the settings fit");
    for (_, topic) in &topics {
        producer.send(&ProducerRecord::new(topic, "x".repeat(5_000))).expect("there is room");
    }
    producer.close(PATIENCE).expect("nothing is left");
    for (compression, topic) in &topics {
        let codec = |cluster: &mut Cluster| {
            cluster.log(topic, 0).batches().map(|batch| batch.header().codec()).collect::<Vec<_>>()
        };
        assert_eq!(target.cluster().with(codec), [*compression as u8], "{topic}");
    }
}

/// Batches are three times as large as the topic takes: they go in parts, whatever shrinks and whatever does not, with five
/// in flight and all memory in use; each record once, and in order.
pub fn too_large_for_the_topic<F: FrontEnd>(target: &Target) {
    const BATCH_SIZE: usize = 48 * 1024;
    const RECORDS: u64 = 4_000;
    for compression in Compression::ALL {
        for data in Data::kinds(target).iter().copied() {
            let topic = format!("{}-too-large-{compression}-{data:?}", F::NAME);
            target.create_topic_with_message_bytes_max(&topic, 1, BATCH_SIZE / 3);
            let (witness, begun) = (Witness::default(), Instant::now());
            let builder = builder(target).compression_type(compression).callback(witness.clone());
            let producer: F = builder
                .batch_size(BATCH_SIZE)
                .buffer_memory(256 * 1024)
                .max_in_flight_requests_per_connection(5)
                .build()
                .expect("the settings fit");
            for number in 0..RECORDS {
                // Two megabytes: `send` waits for memory most of the time.
                let record = ProducerRecord::new(&topic, data.value(number, 500));
                producer.send_with_token(&record, number).expect("it waits for memory");
            }
            producer.close(PATIENCE).expect("nothing is left");
            println!("{topic}: {:.2?}", begun.elapsed());
            let stored = target.read(&topic);
            assert_eq!(stored.len() as u64, RECORDS, "{topic}");
            witness.check(RECORDS, &stored);
            assert_eq!(witness.failures(), [], "{topic}");
            for (number, record) in (0..).zip(&stored) {
                assert!(record.value.as_ref() == Some(&data.value(number, 500)), "{topic}: record {number}");
            }
        }
    }
}

/// A broker that does not know a type gets the same records plain: one warning, no failure, and in order.
pub fn a_type_that_is_refused<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-refused-type", F::NAME);
    target.create_topic(&topic, 2);
    let (witness, warnings) = (Witness::default(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&warnings);
    let producer: F = builder(target)
        .compression_type(Compression::Zstd)
        .callback(witness.clone())
        .on_warning(move |warning| heard.lock().expect("no panic").push(warning))
        .build()
        .expect("the settings fit");
    let send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let record =
                ProducerRecord::new(&topic, Data::Even.value(number, 2_000)).partition(number as i32 % 2);
            producer.send_with_token(&record, number).expect("there is room");
        }
    };
    send(0..200);
    wait_until("some are stored", || witness.heard() >= 100);
    let cluster = target.cluster();
    let refusal = Action::Error(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    cluster.with(|it| it.inject(Fault::new(ApiKey::PRODUCE, refusal).times(1)));
    send(200..400);
    producer.flush().expect("this is no callback");
    let compressed = |cluster: &mut Cluster| {
        let of = |partition| {
            cluster.log(&topic, partition).batches().filter(|it| it.header().codec() == 4).count()
        };
        of(0) + of(1)
    };
    let before = cluster.with(compressed);
    assert!(before > 0);
    send(400..600);
    producer.close(PATIENCE).expect("nothing is left");
    let stored = target.read(&topic);
    witness.check(600, &stored);
    assert_eq!((stored.len(), witness.failures()), (600, vec![]));
    let warnings = warnings.lock().expect("no panic");
    let expected =
        Warning::CompressionRefused { topic: topic.as_str().into(), compression: Compression::Zstd };
    assert_eq!(*warnings, [expected]);
    assert!(warnings[0].to_string().contains("zstd"));
    assert_eq!(cluster.with(compressed), before, "from then on all are plain");
}
