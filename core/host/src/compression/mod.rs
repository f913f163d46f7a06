//! The codecs that a host has, each behind a feature of its own name: over chains, as the core's `Codec` asks for it.
//!
//! A producer has those that its settings name. What they need is allocated when the producer is built, and none of it
//! grows with what is sent. They know nothing of batches and brokers.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(test)]
mod tests;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(any(feature = "gzip", feature = "zstd"))]
use felice_core::compression::Input;
use felice_core::compression::{Codec, Compression, Damaged, Full, Output};
use felice_core::memory::{Block, Pieces};

/// The most that zstd's levels reach: its own limits, and Kafka's.
pub(crate) const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = -131_072..=22;
/// Kafka's default of `compression.zstd.level`: zstd's own.
pub(crate) const ZSTD_LEVEL: i32 = 3;
/// Kafka's default of `compression.gzip.level`: zlib's own, 6.
pub(crate) const GZIP_LEVEL: i32 = -1;

/// What is compiled in.
pub(crate) const AVAILABLE: &[Compression] = &[
    Compression::None,
    #[cfg(feature = "gzip")]
    Compression::Gzip,
    #[cfg(feature = "snappy")]
    Compression::Snappy,
    #[cfg(feature = "lz4")]
    Compression::Lz4,
    #[cfg(feature = "zstd")]
    Compression::Zstd,
];

/// Which codecs a producer needs, and how hard they are to try.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The types.
    pub types: Vec<Compression>,
    /// `compression.gzip.level`.
    pub gzip_level: i32,
    /// `compression.zstd.level`.
    pub zstd_level: i32,
    /// The longest batch, in bytes.
    pub bytes_max: u32,
}

impl Wanted {
    /// One type, at its default level, for batches up to a length.
    #[must_use]
    pub fn one(compression: Compression, bytes_max: u32) -> Self {
        Self { types: vec![compression], gzip_level: GZIP_LEVEL, zstd_level: ZSTD_LEVEL, bytes_max }
    }
}

/// The codecs of one producer.
pub struct Codecs {
    #[cfg(feature = "gzip")]
    gzip: Option<gzip::Gzip>,
    #[cfg(feature = "snappy")]
    snappy: Option<snappy::Snappy>,
    #[cfg(feature = "lz4")]
    lz4: Option<felice_core::compression::Lz4<Box<[u8]>>>,
    #[cfg(feature = "zstd")]
    zstd: Option<zstd::Zstd>,
}

impl Codecs {
    /// Those that are wanted, with all their memory.
    #[allow(unused_variables, reason = "without some codec")]
    #[must_use]
    pub fn new(Wanted { types, gzip_level, zstd_level, bytes_max }: &Wanted) -> Self {
        let wants = |compression| types.contains(&compression);
        Self {
            #[cfg(feature = "gzip")]
            gzip: wants(Compression::Gzip).then(|| gzip::Gzip::new(*gzip_level)),
            #[cfg(feature = "snappy")]
            snappy: wants(Compression::Snappy).then(snappy::Snappy::new),
            #[cfg(feature = "lz4")]
            lz4: wants(Compression::Lz4).then(lz4),
            #[cfg(feature = "zstd")]
            zstd: wants(Compression::Zstd).then(|| zstd::Zstd::new(*zstd_level, *bytes_max)),
        }
    }
}

#[cfg(feature = "lz4")]
fn lz4() -> felice_core::compression::Lz4<Box<[u8]>> {
    use felice_core::compression::{LZ4_MEMORY_BYTES, Lz4};
    Lz4::new(vec![0; LZ4_MEMORY_BYTES].into())
}

impl Codec for Codecs {
    #[allow(unused_variables, reason = "without some codec")]
    fn compress<B: Block>(
        &mut self,
        compression: Compression,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        match compression {
            #[cfg(feature = "gzip")]
            Compression::Gzip => self.gzip.as_mut().ok_or(Full)?.compress(plain, packed),
            #[cfg(feature = "snappy")]
            Compression::Snappy => self.snappy.as_mut().ok_or(Full)?.compress(plain, packed),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => self.lz4.as_mut().ok_or(Full)?.compress(compression, plain, packed),
            #[cfg(feature = "zstd")]
            Compression::Zstd => self.zstd.as_mut().ok_or(Full)?.compress(plain, packed),
            _ => Err(Full),
        }
    }

    #[allow(unused_variables, reason = "without some codec")]
    fn decompress<B: Block>(
        &mut self,
        compression: Compression,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        match compression {
            #[cfg(feature = "gzip")]
            Compression::Gzip => self.gzip.as_mut().ok_or(Damaged)?.decompress(packed, plain),
            #[cfg(feature = "snappy")]
            Compression::Snappy => self.snappy.as_mut().ok_or(Damaged)?.decompress(packed, plain),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => self.lz4.as_mut().ok_or(Damaged)?.decompress(compression, packed, plain),
            #[cfg(feature = "zstd")]
            Compression::Zstd => self.zstd.as_mut().ok_or(Damaged)?.decompress(packed, plain),
            _ => Err(Damaged),
        }
    }
}

/// What a step of a decompressor has done: bytes read, bytes written, and whether it has come to the end.
#[cfg(any(feature = "gzip", feature = "zstd"))]
struct Step {
    read: usize,
    written: usize,
    ends: bool,
}

/// Decompresses, step by step, to the end of what was compressed.
///
/// A step gets the bytes that come next and room for what they say. Where all is written that may be, the end must follow.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn decompress_by_steps<B: Block>(
    packed: &mut Input<'_, B>,
    plain: &mut Output<'_, B>,
    mut step: impl FnMut(&[u8], &mut [u8]) -> Result<Step, Damaged>,
) -> Result<(), Damaged> {
    loop {
        // The end needs no room.
        let mut nothing_more = [0; 1];
        let full = plain.left() == 0;
        let space = if full { &mut nothing_more[..] } else { plain.space()? };
        let Step { read, written, ends } = step(packed.piece(), space)?;
        let stuck = read == 0 && written == 0 && !ends;
        if stuck || (full && written > 0) {
            return Err(Damaged);
        }
        packed.skip(read);
        plain.wrote(written);
        if ends {
            return Ok(());
        }
    }
}

impl std::fmt::Debug for Codecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codecs").finish_non_exhaustive()
    }
}
