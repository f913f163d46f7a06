//! The codecs that are compiled in, beside Kafka's own: `tests/java/CompressionGolden.java` wrote the golden file.

use super::*;
use crate::storage::HeapBlock;
use felice_core::memory::{Chain, Pool};

const GOLDEN: &str = include_str!("../../../../tests/golden/compression_java431.tsv");

/// What a codec needs at most: the plain bytes, the compressed ones, and the plain ones again.
const BLOCKS: usize = 1_200;

struct Rig {
    codecs: Codecs,
    pool: Pool<HeapBlock>,
}

impl Rig {
    fn new(gzip_level: i32, zstd_level: i32) -> Self {
        let types = AVAILABLE.to_vec();
        let mut pool = Pool::new();
        for _ in 0..BLOCKS {
            pool.add(HeapBlock::new(1_024)).unwrap();
        }
        let wanted = Wanted { types, gzip_level, zstd_level, bytes_max: 256 * 1_024 };
        Self { codecs: Codecs::new(&wanted), pool }
    }

    fn chain(&mut self, bytes: &[u8]) -> Chain<HeapBlock> {
        let mut output = Output::new(&mut self.pool, bytes.len());
        output.write(bytes).unwrap();
        output.into_chain()
    }

    /// Every block must be back but those of the result.
    fn take(&mut self, chain: Chain<HeapBlock>) -> Vec<u8> {
        let bytes: Vec<u8> = chain.pieces().flatten().copied().collect();
        self.pool.recycle(chain);
        assert_eq!(self.pool.free() as usize, BLOCKS);
        bytes
    }

    fn compress(&mut self, by: Compression, plain: &[u8], bytes_max: usize) -> Result<Vec<u8>, Full> {
        let plain = self.chain(plain);
        let mut packed = Output::new(&mut self.pool, bytes_max);
        let done = self.codecs.compress(by, plain.pieces(), &mut packed);
        let packed = packed.into_chain();
        assert!(packed.bytes() as usize <= bytes_max);
        self.pool.recycle(plain);
        let bytes = self.take(packed);
        done.map(|()| bytes)
    }

    fn decompress(&mut self, by: Compression, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Damaged> {
        let packed = self.chain(packed);
        let mut plain = Output::new(&mut self.pool, bytes_max);
        let done = self.codecs.decompress(by, packed.pieces(), &mut plain);
        let plain = plain.into_chain();
        assert!(plain.bytes() as usize <= bytes_max);
        self.pool.recycle(packed);
        let bytes = self.take(plain);
        done.map(|()| bytes)
    }
}

fn codecs() -> impl Iterator<Item = Compression> {
    AVAILABLE.iter().copied().filter(|available| *available != Compression::None)
}

/// The same lines as in `CompressionGolden.java`.
fn telemetry(bytes: usize) -> Vec<u8> {
    let (mut out, mut state, mut at, mut tenths) = (String::new(), 1_u64, 1_790_000_000_000_u64, 210_i64);
    let mut sequence = 0;
    while out.len() < bytes {
        let draws: [u64; 5] = std::array::from_fn(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 40
        });
        at += 100 + draws[0] % 20;
        tenths += (draws[1] % 5) as i64 - 2;
        out += &format!(
            "{{\"device\":\"gateway-{}\",\"sensor\":\"temperature-{}\",\"at\":{at},\"tenths\":{tenths},\"rssi\":-{},\"seq\":{sequence},\"ok\":true}}\n",
            draws[2] % 40,
            draws[3] % 8,
            40 + draws[4] % 30,
        );
        sequence += 1;
    }
    out.into_bytes()[..bytes].to_vec()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A line of the golden file: type, level, the plain bytes, how many Java makes of them, and, of few, which.
fn golden() -> impl Iterator<Item = (Compression, &'static str, Vec<u8>, usize, Vec<u8>)> {
    GOLDEN.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let by = codecs().find(|codec| codec.name() == cells[0])?;
        let hex = |at| u8::from_str_radix(&cells[5][at..at + 2], 16).unwrap();
        let packed = (0..cells[5].len()).step_by(2).map(hex).collect();
        Some((by, cells[1], telemetry(cells[2].parse().unwrap()), cells[4].parse().unwrap(), packed))
    })
}

#[test]
fn what_java_compresses_is_read() {
    let mut rig = Rig::new(GZIP_LEVEL, ZSTD_LEVEL);
    let mut read = 0;
    for (by, level, plain, _, packed) in golden().filter(|(.., packed)| !packed.is_empty()) {
        let found = rig.decompress(by, &packed, plain.len());
        assert!(found.as_ref() == Ok(&plain), "{by} {level}, {} bytes: {:?}", plain.len(), found.map(|_| ()));
        read += 1;
    }
    assert_eq!(read, GOLDEN_READ);
}

/// Three lines of each type and level that is compiled in.
const GOLDEN_READ: usize = 3
    * (3 * cfg!(feature = "gzip") as usize
        + cfg!(feature = "snappy") as usize
        + cfg!(feature = "lz4") as usize
        + 3 * cfg!(feature = "zstd") as usize);

#[test]
fn telemetry_shrinks_as_with_java_or_nearly_so() {
    let mut rig = Rig::new(GZIP_LEVEL, ZSTD_LEVEL);
    let default = |level: &str| matches!(level, "-1" | "-" | "3");
    for (by, _, plain, javas, _) in
        golden().filter(|(_, level, plain, ..)| default(level) && plain.len() > 300)
    {
        let packed = rig.compress(by, &plain, plain.len()).unwrap();
        let ratio = javas as f64 / packed.len() as f64;
        println!("{by}\t{}\t{javas}\t{}\t{ratio:.3}", plain.len(), packed.len());
        assert!(ratio >= 0.95, "{by}: {} bytes become {}, with Java {javas}", plain.len(), packed.len());
    }
}

#[test]
fn what_goes_in_comes_out() {
    for (gzip, zstd) in [(-1, 3), (1, 1), (9, 9), (5, -5)] {
        let mut rig = Rig::new(gzip, zstd);
        for by in codecs() {
            for bytes in [0, 1, 100, 1_024, 32_768, 32_769, 65_536, 200_000] {
                for plain in [telemetry(bytes), noise(bytes), vec![7; bytes]] {
                    let packed = rig.compress(by, &plain, 2 * bytes + 100).unwrap();
                    assert!(rig.decompress(by, &packed, bytes) == Ok(plain), "{by}, {bytes} bytes");
                }
            }
        }
    }
}

#[test]
fn what_does_not_shrink_is_refused_and_the_next_batch_is_none_the_worse() {
    let mut rig = Rig::new(GZIP_LEVEL, ZSTD_LEVEL);
    for by in codecs() {
        for plain in [noise(10), noise(20_000), noise(200_000)] {
            assert_eq!(rig.compress(by, &plain, plain.len() - 1), Err(Full), "{by}");
            let packed = rig.compress(by, &telemetry(5_000), 4_999).unwrap();
            assert_eq!(rig.decompress(by, &packed, 4_999), Err(Damaged), "{by}: one byte too many");
            assert_eq!(rig.decompress(by, &packed, 5_000), Ok(telemetry(5_000)));
        }
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let mut rig = Rig::new(GZIP_LEVEL, ZSTD_LEVEL);
    let plain = telemetry(3_000);
    for by in codecs() {
        let good = rig.compress(by, &plain, 2_999).unwrap();
        for length in 0..good.len() {
            let cut = rig.decompress(by, &good[..length], 3_000);
            // Chunks of snappy end anywhere, and zstd's frames have no checksum: who decompresses counts the bytes.
            assert!(cut.map_or(true, |short| short.len() < 3_000), "{by}, cut at {length}");
        }
        assert_eq!(
            rig.decompress(by, &[&good[..], &[1]].concat(), 3_000),
            Err(Damaged),
            "{by}: a byte behind it"
        );
        let draws = noise(4_000);
        for draw in draws.chunks(4) {
            let mut bad = good.clone();
            let at = (usize::from(draw[0]) << 8 | usize::from(draw[1])) % bad.len();
            bad[at] ^= draw[2] | 1;
            let _ = rig.decompress(by, &bad, 3_000);
        }
        assert_eq!(rig.decompress(by, &good, 3_000), Ok(plain.clone()));
    }
}
