//! From a key to a partition: Kafka's murmur2, librdkafka's CRC-32, or a hash of your own.
//!
//! Records of one key must keep their partition whoever writes them, so a producer that shares a topic with others has
//! to hash as they do.

/// Hashes a record's key. The record goes to partition `hash % partitions`.
///
/// It runs on the thread that sends, outside every lock, for records with a key and without a partition. To place
/// records by something else, choose the partition in
/// [`ProducerRecord::partition`](crate::record::ProducerRecord::partition).
///
/// ```
/// use felice_core::partitioner::Partitioner;
///
/// /// All keys with the same first byte share a partition.
/// struct FirstByte;
///
/// impl Partitioner for FirstByte {
///     fn hash(&self, _topic: &str, key: &[u8]) -> u32 {
///         key.first().copied().unwrap_or(0).into()
///     }
/// }
/// assert_eq!(FirstByte.hash("readings", b"abc"), FirstByte.hash("readings", b"axy"));
/// ```
pub trait Partitioner {
    /// The key's hash. The same topic and key must give the same hash, always.
    fn hash(&self, topic: &str, key: &[u8]) -> u32;
}

/// Kafka's default: murmur2 without its sign bit, as the Java producer hashes, also an empty key.
///
/// ```
/// use felice_core::partitioner::{Murmur2, Partitioner};
///
/// assert_eq!(Murmur2.hash("any", b"kafka") % 10, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Murmur2;

impl Partitioner for Murmur2 {
    fn hash(&self, _topic: &str, key: &[u8]) -> u32 {
        murmur2(key) & 0x7fff_ffff
    }
}

/// CRC-32, as librdkafka and the clients built on it (Python, Go, .NET) hash: their partitioners `consistent` and
/// `consistent_random`. The latter, their default, spreads empty keys at random; here they have one partition.
///
/// ```
/// use felice_core::partitioner::{Crc32, Partitioner};
///
/// assert_eq!(Crc32.hash("any", b"123456789"), 0xcbf4_3926);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc32;

impl Partitioner for Crc32 {
    fn hash(&self, _topic: &str, key: &[u8]) -> u32 {
        crc32fast::hash(key)
    }
}

/// Kafka's murmur2 (`Utils.murmur2`, there a signed number): 32 bits, seed 0x9747b28c.
///
/// ```
/// assert_eq!(felice_core::partitioner::murmur2(b"abc"), 479_470_107);
/// ```
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let (words, tail) = key.as_chunks::<4>();
    let mut hash = SEED ^ key.len() as u32;
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `key  murmur2  [hex, pos, p%10]`; a line without the last columns names its key's bytes in hex.
    const GOLDEN: &str = include_str!("../../tests/golden/murmur2_java431.tsv");

    fn unhex(text: &str) -> std::vec::Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn murmur2_is_javas() {
        let mut lines = 0;
        for line in GOLDEN.lines() {
            let columns: std::vec::Vec<&str> = line.split('\t').collect();
            let key = if columns.len() == 2 { unhex(columns[0]) } else { columns[0].into() };
            assert_eq!(murmur2(&key), columns[1].parse::<i32>().unwrap().cast_unsigned(), "key {key:?}");
            if let Some(partition) = columns.get(4) {
                assert_eq!(format_partition(Murmur2.hash("t", &key)), *partition, "key {key:?}");
            }
            lines += 1;
        }
        assert_eq!(lines, 17);
    }

    fn format_partition(hash: u32) -> std::string::String {
        std::format!("p%10={}", hash % 10)
    }

    #[test]
    fn murmur2_has_no_sign_and_an_empty_key_is_a_key() {
        assert!(murmur2(b"21").cast_signed() < 0);
        assert_eq!(Murmur2.hash("t", b"21"), 1_173_551_340);
        assert_eq!(Murmur2.hash("t", b""), 275_646_681);
    }

    #[test]
    fn crc32_is_librdkafkas() {
        assert_eq!(Crc32.hash("t", b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc32.hash("t", b""), 0);
    }
}
