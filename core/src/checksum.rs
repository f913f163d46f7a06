//! CRC-32C (Castagnoli), the checksum of a record batch, from a table of 1 KiB.
//!
//! The sender takes its checksum as a function
//! ([`SenderConfig::crc32c`](crate::config::SenderConfig::crc32c)): [`crc32c`] costs 1 KiB of read-only memory and
//! a look-up per byte, [`crc32c_by_8`] 8 KiB and a step per 8 bytes, a host plugs in the processor's own instructions.
//! What is not plugged in is not linked.

/// The polynomial with its bits reversed, as the checksum is defined.
const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLES: [[u32; 256]; 8] = tables();
static TABLE: [u32; 256] = tables::<1>()[0];

/// Table 0 holds the remainder of each byte, table n that of the same byte with n zero bytes behind it.
const fn tables<const N: usize>() -> [[u32; 256]; N] {
    let mut tables = [[0; 256]; N];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut table = 0;
        while table < N {
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
                bit += 1;
            }
            tables[table][byte] = crc;
            table += 1;
        }
        byte += 1;
    }
    tables
}

/// The checksum `crc` continued over `bytes`; a checksum starts at 0.
///
/// ```
/// use felice_core::checksum::crc32c;
///
/// assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
/// assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), crc32c(0, b"123456789"));
/// ```
#[must_use]
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    !by_byte(!crc, bytes)
}

/// As [`crc32c`], faster, for 8 KiB of tables instead of 1.
///
/// ```
/// assert_eq!(felice_core::checksum::crc32c_by_8(0, b"123456789"), 0xe306_9283);
/// ```
#[must_use]
pub fn crc32c_by_8(crc: u32, bytes: &[u8]) -> u32 {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut state = !crc;
    for word in words {
        let [a, b, c, d, rest @ ..] = word;
        let [e, f, g, h] = (state ^ u32::from_le_bytes([*a, *b, *c, *d])).to_le_bytes();
        let [i, j, k, l] = *rest;
        state = [l, k, j, i, h, g, f, e]
            .iter()
            .zip(&TABLES)
            .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
    }
    !by_byte(state, tail)
}

/// Four bytes are loaded at once: on a Cortex-M3 that is 4 instructions for a byte instead of 7.
fn by_byte(state: u32, bytes: &[u8]) -> u32 {
    let step = |state: u32| (state >> 8) ^ TABLE[usize::from(state as u8)];
    let (words, tail) = bytes.as_chunks::<4>();
    let state =
        words.iter().fold(state, |state, word| step(step(step(step(state ^ u32::from_le_bytes(*word))))));
    tail.iter().fold(state, |state, byte| step(state ^ u32::from(*byte)))
}

/// The checksum of two pieces one behind the other, from the checksum of each and the second one's length in bytes.
/// The cost grows with the length's logarithm.
///
/// ```
/// use felice_core::checksum::{crc32c, crc32c_combine};
///
/// let (header, records) = (b"1234", b"56789");
/// assert_eq!(crc32c_combine(crc32c(0, header), crc32c(0, records), 5), 0xe306_9283);
/// ```
#[must_use]
pub fn crc32c_combine(first: u32, second: u32, second_bytes: u64) -> u32 {
    multiply(zeros(second_bytes), first) ^ second
}

/// The polynomial 1: bit 31 is the coefficient of the power 0.
const ONE: u32 = 1 << 31;

/// What `bytes` zero bytes do to a checksum: x to the power 8 * bytes.
fn zeros(bytes: u64) -> u32 {
    let mut power = ONE >> 8;
    let mut product = ONE;
    let mut rest = bytes;
    while rest != 0 {
        if rest & 1 == 1 {
            product = multiply(power, product);
        }
        power = multiply(power, power);
        rest >>= 1;
    }
    product
}

/// The product of two polynomials, modulo the checksum's own.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        if a >> bit & 1 == 1 {
            product ^= b;
        }
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../tests/golden/varint_crc_java431.tsv");

    /// Bytes without a pattern, from xorshift.
    fn noise(length: usize) -> std::vec::Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as u8
            })
            .collect()
    }

    #[test]
    fn the_checksum_is_javas() {
        let mut lines = 0;
        for line in GOLDEN.lines().filter_map(|line| line.strip_prefix("crc32c\t")) {
            let (text, crc) = line.split_once('\t').unwrap();
            let expected = u32::from_str_radix(crc, 16).unwrap();
            assert_eq!(
                (crc32c(0, text.as_bytes()), crc32c_by_8(0, text.as_bytes())),
                (expected, expected),
                "{text}"
            );
            lines += 1;
        }
        assert_eq!(lines, 3);
    }

    #[test]
    fn both_tables_agree_at_every_length_and_start() {
        let bytes = noise(80);
        for start in 0..16 {
            for end in start..bytes.len() {
                let piece = &bytes[start..end];
                assert_eq!(crc32c(0x1234_5678, piece), crc32c_by_8(0x1234_5678, piece), "{start}..{end}");
            }
        }
    }

    #[test]
    fn a_checksum_continues_and_combines_at_every_cut() {
        let bytes = noise(700);
        let whole = crc32c(0, &bytes);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(crc32c(crc32c(0, a), b), whole, "cut at {cut}");
            assert_eq!(crc32c_combine(crc32c(0, a), crc32c(0, b), b.len() as u64), whole, "cut at {cut}");
        }
    }

    #[test]
    fn combining_holds_for_long_second_parts() {
        let zeros = std::vec![0; 1 << 20];
        for length in [1 << 12, (1 << 16) - 1, (1 << 20) - 7, 1 << 20] {
            let (first, second) = (crc32c(0, b"header"), crc32c(0, &zeros[..length]));
            assert_eq!(
                crc32c_combine(first, second, length as u64),
                crc32c(first, &zeros[..length]),
                "{length}"
            );
        }
    }
}
