//! Zstandard, by its C library: one frame, as Kafka's own clients write it.
//!
//! The length is not told before: tables for short batches would be smaller, but each of another size, and the library
//! would make them anew; and they compress no better.

use felice_core::compression::{Damaged, Full, Input, Output};
use felice_core::memory::{Block, Pieces};
use zstd_safe::zstd_sys::ZSTD_EndDirective::{ZSTD_e_continue, ZSTD_e_end};
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::{Step, decompress_by_steps};

/// The window that level 3 has by itself. What others have written with it can be read.
const WINDOW_LOG_DEFAULT: u32 = 21;
/// The shortest that the library takes.
const WINDOW_LOG_MIN: u32 = 10;

pub(super) struct Zstd {
    compressor: CCtx<'static>,
    decompressor: DCtx<'static>,
}

impl Zstd {
    /// No longer window than the longest batch needs: memory goes with it.
    pub(super) fn new(level: i32, bytes_max: u32) -> Self {
        let window_log = bytes_max.next_power_of_two().trailing_zeros().clamp(WINDOW_LOG_MIN, 30);
        let (mut compressor, mut decompressor) = (CCtx::create(), DCtx::create());
        // They are in the library's ranges: none is refused.
        let _ = compressor.set_parameter(CParameter::CompressionLevel(level));
        let _ = compressor.set_parameter(CParameter::WindowLog(window_log));
        let _ = decompressor.set_parameter(DParameter::WindowLogMax(window_log.max(WINDOW_LOG_DEFAULT)));
        let mut zstd = Self { compressor, decompressor };
        zstd.allocate();
        zstd
    }

    /// The library allocates with the first frame: let that be now.
    fn allocate(&mut self) {
        let (mut packed, mut plain) = ([0_u8; 64], [0_u8; 64]);
        let mut output = OutBuffer::around(&mut packed[..]);
        let _ =
            self.compressor.compress_stream2(&mut output, &mut InBuffer::around(b"felice"), ZSTD_e_continue);
        let _ = self.compressor.compress_stream2(&mut output, &mut InBuffer::around(&[]), ZSTD_e_end);
        let bytes = output.pos();
        let mut input = InBuffer::around(&packed[..bytes]);
        let _ = self.decompressor.decompress_stream(&mut OutBuffer::around(&mut plain[..]), &mut input);
    }

    pub(super) fn compress<B: Block>(
        &mut self,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        self.compressor.reset(ResetDirective::SessionOnly).map_err(|_| Full)?;
        for piece in plain {
            let mut input = InBuffer::around(piece);
            while input.pos() < piece.len() {
                let mut output = OutBuffer::around(packed.space()?);
                self.compressor
                    .compress_stream2(&mut output, &mut input, ZSTD_e_continue)
                    .map_err(|_| Full)?;
                let written = output.pos();
                packed.wrote(written);
            }
        }
        loop {
            let mut output = OutBuffer::around(packed.space()?);
            let left = self.compressor.compress_stream2(&mut output, &mut InBuffer::around(&[]), ZSTD_e_end);
            let written = output.pos();
            packed.wrote(written);
            if left.map_err(|_| Full)? == 0 {
                return Ok(());
            }
        }
    }

    pub(super) fn decompress<B: Block>(
        &mut self,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        self.decompressor.reset(ResetDirective::SessionOnly).map_err(|_| Damaged)?;
        let mut packed = Input::new(packed);
        decompress_by_steps(&mut packed, plain, |input, space| {
            let (mut output, mut input) = (OutBuffer::around(space), InBuffer::around(input));
            let left = self.decompressor.decompress_stream(&mut output, &mut input).map_err(|_| Damaged)?;
            Ok(Step { read: input.pos(), written: output.pos(), ends: left == 0 })
        })?;
        if packed.piece().is_empty() { Ok(()) } else { Err(Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use felice_core::memory::Pool;

    use super::*;
    use crate::storage::HeapBlock;

    /// What the library allocates no counter of ours sees: it says itself.
    #[test]
    fn nothing_is_allocated_after_the_beginning() {
        let mut zstd = Zstd::new(3, 256 * 1_024);
        let before = (zstd.compressor.sizeof(), zstd.decompressor.sizeof());
        let mut pool = Pool::new();
        for _ in 0..800 {
            pool.add(HeapBlock::new(1_024)).unwrap();
        }
        // Long enough for the library to notice that it has more memory than it needs.
        for length in (1..300).map(|round| if round % 100 == 0 { 256 * 1_024 } else { 40 * round }) {
            let text: Vec<u8> = (0..length).map(|at| (at % 251 * (at / 700)) as u8).collect();
            let mut plain = Output::new(&mut pool, length);
            plain.write(&text).unwrap();
            let plain = plain.into_chain();
            let mut packed = Output::new(&mut pool, 2 * length + 100);
            zstd.compress(plain.pieces(), &mut packed).unwrap();
            let packed = packed.into_chain();
            let mut again = Output::new(&mut pool, length);
            zstd.decompress(packed.pieces(), &mut again).unwrap();
            let again = again.into_chain();
            pool.recycle(again);
            pool.recycle(packed);
            pool.recycle(plain);
            assert_eq!((zstd.compressor.sizeof(), zstd.decompressor.sizeof()), before, "{length} bytes");
        }
        println!("{before:?} bytes");
        assert!(before.0 + before.1 < 3 * 1_024 * 1_024);
    }
}
