//! Produce requests as they were sent: how many batches each had, how large these were, and the same requests once
//! more, for another topic and another producer.

use std::ops::Range;

use felice_tests::protocol::produce::ProduceRequest;
use felice_tests::protocol::{ApiKey, Uuid, decode_request};

/// What a client's Produce requests were like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Produce requests.
    pub requests: usize,
    /// Batches in them.
    pub batches: usize,
    /// Bytes of these batches.
    pub bytes: usize,
    /// All that the client has sent, to learn of the cluster, too.
    pub sent: usize,
    /// How many records were sent.
    pub records: u64,
}

impl Shape {
    /// Bytes of a batch, on average.
    pub fn batch_bytes(&self) -> f64 {
        self.bytes as f64 / self.batches as f64
    }
}

/// The frames in a stream, each with its length in front.
pub fn frames(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let length = rest.first_chunk().map(|length| i32::from_be_bytes(*length))?;
        let (frame, after) = rest.split_at_checked(4 + usize::try_from(length).ok()?)?;
        rest = after;
        Some(frame)
    })
}

/// A Produce request, and where in it the batches are.
pub struct Produce {
    /// The version of its API.
    pub version: i16,
    /// Its id.
    pub correlation_id: i32,
    /// Where its topic's id is, or before version 13 its name.
    pub topic: Range<usize>,
    /// The batches.
    pub batches: Vec<Range<usize>>,
}

impl Produce {
    /// `None` where the frame is another request.
    pub fn find(frame: &[u8]) -> Option<Self> {
        let (header, mut body) = decode_request(&frame[4..]).ok()?;
        if header.api_key != ApiKey::PRODUCE {
            return None;
        }
        let request: ProduceRequest<'_> = body.message(header.api_version).ok()?;
        let topic = request.topics.first()?;
        let key = if header.api_version >= 13 { &topic.topic_id[..] } else { topic.name.as_bytes() };
        let start = frame.windows(key.len()).position(|window| window == key)?;
        let mut produce = Self {
            version: header.api_version,
            correlation_id: header.correlation_id,
            topic: start..start + key.len(),
            batches: Vec::new(),
        };
        for records in request.topics.iter().flat_map(|topic| &topic.partitions).filter_map(|it| it.records) {
            let start = records.as_ptr().addr() - frame.as_ptr().addr();
            produce.batches.push(start..start + records.len());
        }
        Some(produce)
    }
}

/// What the Produce requests in the streams of some connections were like.
pub fn shape(streams: &[Vec<u8>], records: u64) -> Shape {
    let sent = streams.iter().map(Vec::len).sum();
    let mut shape = Shape { sent, records, ..Shape::default() };
    for produce in streams.iter().flat_map(|stream| frames(stream)).filter_map(Produce::find) {
        shape.requests += 1;
        shape.batches += produce.batches.len();
        shape.bytes += produce.batches.iter().map(Range::len).sum::<usize>();
    }
    shape
}

/// Makes a request another producer's, for another topic, whose name is as long as the first one's. Its numbering
/// stays: it begins at 0 as the first one's did.
pub fn readdress(frame: &mut [u8], (name, id): (&str, &Uuid), producer_id: i64, producer_epoch: i16) {
    let produce = Produce::find(frame).expect("it is a Produce request");
    let key = if produce.version >= 13 { &id[..] } else { name.as_bytes() };
    frame[produce.topic].copy_from_slice(key);
    for batch in produce.batches {
        let batch = &mut frame[batch];
        batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
        batch[51..53].copy_from_slice(&producer_epoch.to_be_bytes());
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}
