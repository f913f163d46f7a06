//! Compressed records, read by other code than felice's: snappy and LZ4 after their descriptions, gzip and zstd by
//! crates that felice does not use.

use std::io::Read as _;

use super::Reader;

/// No batch of the tests is larger, compressed or not.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The records of a batch as they were; `None` where the bytes are not what this codec writes.
pub fn decompress(codec: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    match codec {
        1 => gzip(bytes),
        2 => snappy(bytes),
        3 => lz4(bytes),
        4 => zstd(bytes),
        _ => None,
    }
}

/// Compresses with gzip, for batches that are made by hand.
pub fn compress_with_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    packed.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    packed.extend(crc32fast::hash(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

/// Compresses with zstd, for batches that are made by hand.
pub fn compress_with_zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = bytes.split_at_checked(10)?;
    let (deflated, trailer) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
    if header[..4] != [0x1f, 0x8b, 8, 0] {
        return None;
    }
    let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, BYTES_MAX).ok()?;
    let expected = [crc32fast::hash(&plain).to_le_bytes(), (plain.len() as u32).to_le_bytes()].concat();
    (trailer == expected).then_some(plain)
}

/// In the frames of snappy-java, or one block alone.
fn snappy(bytes: &[u8]) -> Option<Vec<u8>> {
    let Some(framed) = bytes.strip_prefix(b"\x82SNAPPY\0") else { return snappy_block(bytes) };
    let mut reader = Reader::new(framed);
    let (_version, _compatible) = (reader.i32().ok()?, reader.i32().ok()?);
    let mut plain = Vec::new();
    while !reader.remaining().is_empty() {
        let length = usize::try_from(reader.i32().ok()?).ok()?;
        plain.extend(snappy_block(reader.take(length).ok()?)?);
    }
    Some(plain)
}

/// A length, then literals and copies of what stands before.
fn snappy_block(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let length = reader.unsigned_varint().ok()? as usize;
    let mut plain = Vec::new();
    while !reader.remaining().is_empty() {
        let tag = reader.take(1).ok()?[0];
        let high = usize::from(tag >> 2);
        let mut number = |bytes: usize| {
            let taken = reader.take(bytes).ok()?;
            Some(taken.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
        };
        match tag & 3 {
            0 => {
                let length = if high < 60 { high } else { number(high - 59)? } + 1;
                plain.extend_from_slice(reader.take(length).ok()?);
            }
            1 => {
                let offset = number(1)? | (high >> 3) << 8;
                copy(&mut plain, offset, (high & 7) + 4)?;
            }
            kind => {
                let offset = number(if kind == 2 { 2 } else { 4 })?;
                copy(&mut plain, offset, high + 1)?;
            }
        }
        if plain.len() > length.min(BYTES_MAX) {
            return None;
        }
    }
    (plain.len() == length).then_some(plain)
}

/// A frame of independent blocks without checksums, which is all that Kafka reads.
fn lz4(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let header = reader.take(7).ok()?;
    let block_bytes_max = 1 << (8 + 2 * (header[5] >> 4 & 7));
    if header[..5] != [0x04, 0x22, 0x4d, 0x18, 0x60] || header[5..7] != [0x40, 0x82] {
        return None;
    }
    let mut plain = Vec::new();
    loop {
        let length = u32::from_le_bytes(reader.take(4).ok()?.try_into().ok()?);
        if length == 0 {
            return reader.remaining().is_empty().then_some(plain);
        }
        let block = reader.take((length & !(1 << 31)) as usize).ok()?;
        let block = if length >> 31 == 1 { block.to_vec() } else { lz4_block(block)? };
        if block.len() > block_bytes_max || plain.len() > BYTES_MAX {
            return None;
        }
        plain.extend(block);
    }
}

/// Literals and copies in turn; the last has no copy.
fn lz4_block(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut plain = Vec::new();
    loop {
        let token = reader.take(1).ok()?[0];
        let length = lz4_length(&mut reader, token >> 4)?;
        plain.extend_from_slice(reader.take(length).ok()?);
        if reader.remaining().is_empty() {
            return Some(plain);
        }
        let offset = u16::from_le_bytes(reader.take(2).ok()?.try_into().ok()?);
        let length = lz4_length(&mut reader, token & 15)? + 4;
        if plain.len() + length > BYTES_MAX {
            return None;
        }
        copy(&mut plain, offset.into(), length)?;
    }
}

fn lz4_length(reader: &mut Reader<'_>, short: u8) -> Option<usize> {
    let mut length = usize::from(short);
    let mut more = short == 15;
    while more {
        let byte = reader.take(1).ok()?[0];
        length += usize::from(byte);
        more = byte == 255;
    }
    Some(length)
}

/// Byte by byte: a copy may overlap itself.
fn copy(plain: &mut Vec<u8>, offset: usize, length: usize) -> Option<()> {
    let start = plain.len().checked_sub(offset).filter(|_| offset > 0)?;
    for at in start..start + length {
        plain.push(plain[at]);
    }
    Some(())
}

fn zstd(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let decoder = ruzstd::decoding::StreamingDecoder::new(&mut rest).ok()?;
    let mut plain = Vec::new();
    decoder.take(BYTES_MAX as u64).read_to_end(&mut plain).ok()?;
    rest.is_empty().then_some(plain)
}
