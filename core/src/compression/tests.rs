//! Codecs over chains: what goes in comes out, nothing is written beyond the limit, and every block is accounted for.

extern crate std;

use super::{Codec, Compression, Damaged, Full, Input, Output};
use crate::memory::{Block, Chain, Pieces, Pool};
use crate::test_storage::BoxBlock;
use std::vec::Vec;

/// A codec for the machine's tests: the type's number, then runs of the same byte.
#[derive(Debug)]
pub(crate) struct Runs;

impl Codec for Runs {
    fn compress<B: Block>(
        &mut self,
        compression: Compression,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        packed.write(&[compression as u8])?;
        let bytes: Vec<u8> = plain.flatten().copied().collect();
        for run in bytes.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(255)) {
            packed.write(&[run.len() as u8, run[0]])?;
        }
        Ok(())
    }

    fn decompress<B: Block>(
        &mut self,
        compression: Compression,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        let mut packed = Input::new(packed);
        let mut pair = [0; 2];
        if packed.read_exact(&mut pair[..1])? != [compression as u8] {
            return Err(Damaged);
        }
        while !packed.read(&mut pair[..1]).is_empty() {
            packed.read_exact(&mut pair[1..])?;
            for _ in 0..pair[0] {
                plain.write(&pair[1..])?;
            }
        }
        Ok(())
    }
}

/// What [`Runs`] has compressed, by whatever type.
pub(crate) fn expand(packed: &[u8]) -> Vec<u8> {
    packed[1..].chunks(2).flat_map(|pair| core::iter::repeat_n(pair[1], pair[0].into())).collect()
}

/// A pool of so many blocks.
fn pool(block_bytes: usize, blocks: usize) -> Pool<BoxBlock> {
    let mut pool = Pool::new();
    for _ in 0..blocks {
        pool.add(BoxBlock::new(block_bytes)).unwrap();
    }
    pool
}

fn chain(bytes: &[u8], pool: &mut Pool<BoxBlock>) -> Chain<BoxBlock> {
    let mut output = Output::new(pool, bytes.len());
    output.write(bytes).unwrap();
    assert_eq!(output.write(&[0]), Err(Full));
    output.into_chain()
}

fn bytes(chain: &Chain<BoxBlock>) -> Vec<u8> {
    chain.pieces().flatten().copied().collect()
}

#[test]
fn an_output_ends_at_its_limit_and_with_its_pool() {
    let mut pool = pool(8, 3);
    let mut output = Output::new(&mut pool, 20);
    assert_eq!(output.write(&[7; 21]), Err(Full));
    assert_eq!((output.left(), output.space()), (0, Err(Full)));
    output.give_back();
    assert_eq!(pool.free(), 3);

    let mut output = Output::new(&mut pool, 1_000);
    assert_eq!(output.write(&[7; 25]), Err(Full));
    assert_eq!(output.left(), 1_000 - 24);
    output.wrote(100);
    assert_eq!(output.left(), 1_000 - 24, "there was no room");
    output.give_back();
    assert_eq!(pool.free(), 3);
}

#[test]
fn an_input_is_read_over_its_pieces() {
    let mut pool = pool(8, 3);
    let chain = chain(&(0..20).collect::<Vec<u8>>(), &mut pool);
    let mut input = Input::new(chain.pieces());
    assert_eq!(input.read_exact(&mut [0; 5]), Ok(&[0, 1, 2, 3, 4][..]));
    assert_eq!(input.piece(), [5, 6, 7]);
    input.skip(1);
    assert_eq!(input.read_exact(&mut [0; 5]), Ok(&[6, 7, 8, 9, 10][..]));
    assert_eq!(input.read(&mut [0; 50]), (11..20).collect::<Vec<u8>>());
    assert_eq!((input.piece(), input.read_exact(&mut [0])), (&[][..], Err(Damaged)));
}

#[cfg(feature = "lz4")]
mod lz4 {
    use super::*;
    use crate::compression::{LZ4_MEMORY_BYTES, Lz4};
    use std::boxed::Box;
    use std::vec;

    /// Text that repeats itself now and then, as telemetry does.
    fn telemetry(bytes: usize) -> Vec<u8> {
        let (mut text, mut state) = (Vec::new(), 9_u32);
        while text.len() < bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.extend_from_slice(std::format!("sensor-{} celsius {};", state % 7, state >> 20).as_bytes());
        }
        text.truncate(bytes);
        text
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn what_goes_in_comes_out_at_every_length_of_blocks_and_memory() {
        for memory in [64, 1_000, 4_096, LZ4_MEMORY_BYTES] {
            let mut codec = Lz4::new(vec![0_u8; memory].into_boxed_slice());
            for block_bytes in [7, 256, 4_096] {
                for length in [0, 1, 300, 4_095, 66_000, 140_000] {
                    for text in [telemetry(length), noise(length)] {
                        let mut pool = pool(block_bytes, 4 * (length / block_bytes + 20));
                        let total = pool.free();
                        let plain = chain(&text, &mut pool);
                        let mut packed = Output::new(&mut pool, length + length / 2 + 100);
                        codec.compress(Compression::Lz4, plain.pieces(), &mut packed).unwrap();
                        let packed = packed.into_chain();
                        let mut again = Output::new(&mut pool, length);
                        assert_eq!(
                            codec.decompress(Compression::Lz4, packed.pieces(), &mut again),
                            Ok(()),
                            "{memory} {block_bytes} {length}"
                        );
                        let again = again.into_chain();
                        assert_eq!(bytes(&again), text);
                        let held = plain.blocks() + packed.blocks() + again.blocks();
                        assert_eq!(held + pool.free(), total);
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_shrink_is_refused() {
        let mut codec = Lz4::new(vec![0_u8; 4_096].into_boxed_slice());
        let mut pool = pool(64, 100);
        let plain = chain(&noise(1_000), &mut pool);
        let mut packed = Output::new(&mut pool, 999);
        assert_eq!(codec.compress(Compression::Lz4, plain.pieces(), &mut packed), Err(Full));
        packed.give_back();
        assert_eq!(pool.free() + plain.blocks(), 100);
        let mut packed = Output::new(&mut pool, 999);
        assert_eq!(codec.compress(Compression::Zstd, plain.pieces(), &mut packed), Err(Full));
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_more_is_written_than_was_agreed_on() {
        let mut codec = Lz4::new(vec![0_u8; 4_096].into_boxed_slice());
        let mut pool = pool(64, 400);
        let text = telemetry(5_000);
        let plain = chain(&text, &mut pool);
        let mut packed = Output::new(&mut pool, 5_000);
        codec.compress(Compression::Lz4, plain.pieces(), &mut packed).unwrap();
        let good = bytes(&packed.into_chain());
        let mut decompress = |bytes: &[u8], limit: usize| {
            let packed = chain(bytes, &mut pool);
            let mut output = Output::new(&mut pool, limit);
            let done = codec.decompress(Compression::Lz4, packed.pieces(), &mut output);
            let left = output.left();
            output.give_back();
            pool.recycle(packed);
            (done, left)
        };
        assert_eq!(decompress(&good, 5_000), (Ok(()), 0));
        assert_eq!(decompress(&good, 4_999).0, Err(Damaged));
        for length in 0..good.len() {
            assert_eq!(decompress(&good[..length], 5_000).0, Err(Damaged), "cut at {length}");
        }
        assert_eq!(decompress(&[&good[..], &[0]].concat(), 5_000).0, Err(Damaged));
        let mut state = Box::new(7_u32);
        for _ in 0..20_000 {
            let mut bad = good.clone();
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (*state >> 8) as usize % bad.len();
            bad[at] ^= (*state >> 3) as u8 | 1;
            let _ = decompress(&bad, 5_000);
        }
    }
}
