//! The floor under any producer: what it costs to encode records into batches and to checksum these, one thread, no lock, one
//! buffer that stays in the cache. Reports as a contender does.

use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use bench_harness::{Meter, Mode, Options, Payloads};

const HEADER: usize = 61;

fn main() {
    let options = Options::parse();
    assert_eq!(options.mode, Mode::Forget);
    let payloads = Payloads::new(options.size);
    let mut buffer = Vec::with_capacity(options.batch_bytes + 64);
    let meter = Meter::start(&options);
    let mut records = 0;
    while records < options.records {
        records += batch(&mut buffer, &payloads, records, options.size, options.batch_bytes);
        black_box(&buffer);
    }
    meter.finish(records, 0, &options);
}

/// Fills the buffer with one batch, and says how many records it has.
fn batch(buffer: &mut Vec<u8>, payloads: &Payloads, first: u64, size: usize, batch_bytes: usize) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_millis() as i64;
    buffer.clear();
    buffer.resize(HEADER, 0);
    let mut count = 0;
    while buffer.len() + size + 12 <= batch_bytes {
        record(buffer, count / 500, count, payloads.get(first + count as u64));
        count += 1;
    }
    let length = (buffer.len() - 12) as i32;
    buffer[8..12].copy_from_slice(&length.to_be_bytes());
    buffer[16] = 2;
    buffer[23..27].copy_from_slice(&(count as i32 - 1).to_be_bytes());
    buffer[27..35].copy_from_slice(&now.to_be_bytes());
    buffer[35..43].copy_from_slice(&(now + (count - 1) / 500).to_be_bytes());
    buffer[57..61].copy_from_slice(&(count as i32).to_be_bytes());
    let crc = crc32c::crc32c(&buffer[21..]);
    buffer[17..21].copy_from_slice(&crc.to_be_bytes());
    count.unsigned_abs()
}

/// A record of a batch: no key, no headers.
fn record(buffer: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i64, value: &[u8]) {
    let value_bytes = value.len() as i64;
    let deltas = varint_bytes(timestamp_delta) + varint_bytes(offset_delta);
    varint(buffer, 1 + deltas + 1 + varint_bytes(value_bytes) + value_bytes + 1);
    buffer.push(0);
    varint(buffer, timestamp_delta);
    varint(buffer, offset_delta);
    buffer.push(1); // a key of -1 bytes: none
    varint(buffer, value_bytes);
    buffer.extend_from_slice(value);
    buffer.push(0);
}

fn varint(buffer: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        buffer.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.push(rest as u8);
}

fn varint_bytes(value: i64) -> i64 {
    let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    i64::from((70 - (zigzag | 1).leading_zeros()) / 7)
}
