//! LZ4 without a heap: frames as Kafka's own clients write them, independent blocks of 64 KiB at most, no checksums.

use core::fmt;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into};

use super::{Codec, Compression, Damaged, Full, Input, Output};
use crate::memory::{Block, Pieces};

/// Magic number; version 1 with independent blocks; blocks of 64 KiB at most; the checksum of these two.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
/// A block of no bytes ends the frame.
const END: [u8; 4] = [0; 4];
/// In a block's length: its bytes are not compressed.
const STORED: u32 = 1 << 31;
/// The most of a block, plain.
const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// The memory for full blocks: more gains nothing.
pub const LZ4_MEMORY_BYTES: usize = BLOCK_BYTES_MAX + packed_bytes_max(BLOCK_BYTES_MAX);

/// LZ4 in memory of the caller's: a `Box<[u8]>`, or a `&'static mut [u8]`.
///
/// Half of the memory takes a block as it is, the other half takes it compressed. Shorter memory makes shorter blocks,
/// which compress less well: 4 KiB is the least that is of use, [`LZ4_MEMORY_BYTES`] the most. The table of what was
/// seen before has 16 KiB beside it. There are no levels.
pub struct Lz4<M> {
    memory: M,
    table: CompressTable,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Lz4<M> {
    /// A codec over this memory.
    #[must_use]
    pub const fn new(memory: M) -> Self {
        // The small one has half the size, and packs a batch of 16 KiB of telemetry 14 % less.
        Self { memory, table: CompressTable::large() }
    }

    /// Where a block stands plain, and where compressed.
    fn halves(&mut self) -> (&mut [u8], &mut [u8], &mut CompressTable) {
        let memory = self.memory.as_mut();
        let plain = plain_bytes_of(memory.len());
        let (plain, packed) = memory.split_at_mut(plain);
        (plain, packed, &mut self.table)
    }

    fn compress_blocks<B: Block>(
        &mut self,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        let (window, scratch, table) = self.halves();
        if window.is_empty() {
            return Err(Full);
        }
        packed.write(&HEADER)?;
        let mut plain = Input::new(plain);
        loop {
            let block = plain.read(window);
            if block.is_empty() {
                return packed.write(&END);
            }
            match compress_into_with_table(block, scratch, table) {
                Ok(bytes) if bytes < block.len() => {
                    packed.write(&(bytes as u32).to_le_bytes())?;
                    packed.write(&scratch[..bytes])?;
                }
                _ => {
                    packed.write(&(block.len() as u32 | STORED).to_le_bytes())?;
                    packed.write(block)?;
                }
            }
        }
    }

    fn decompress_blocks<B: Block>(
        &mut self,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        let (window, scratch, _) = self.halves();
        let mut packed = Input::new(packed);
        if packed.read_exact(&mut [0; HEADER.len()])? != HEADER {
            return Err(Damaged);
        }
        loop {
            let mut length = [0; 4];
            packed.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            let bytes = (length & !STORED) as usize;
            if length == 0 {
                return if packed.piece().is_empty() { Ok(()) } else { Err(Damaged) };
            }
            if length & STORED == 0 {
                let block = packed.read_exact(scratch.get_mut(..bytes).ok_or(Damaged)?)?;
                let bytes = decompress_into(block, window).map_err(|_| Damaged)?;
                plain.write(window.get(..bytes).ok_or(Damaged)?)?;
            } else {
                plain.write(packed.read_exact(window.get_mut(..bytes).ok_or(Damaged)?)?)?;
            }
        }
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]> + 'static> Codec for Lz4<M> {
    fn compress<B: Block>(
        &mut self,
        compression: Compression,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        if compression == Compression::Lz4 { self.compress_blocks(plain, packed) } else { Err(Full) }
    }

    fn decompress<B: Block>(
        &mut self,
        compression: Compression,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        if compression == Compression::Lz4 { self.decompress_blocks(packed, plain) } else { Err(Damaged) }
    }
}

impl<M> fmt::Debug for Lz4<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lz4").finish_non_exhaustive()
    }
}

/// What a block may take compressed, were it compressed although it does not shrink.
const fn packed_bytes_max(plain: usize) -> usize {
    lz4_flex::block::get_maximum_output_size(plain)
}

/// The longest block for which memory has room twice.
const fn plain_bytes_of(memory: usize) -> usize {
    let mut plain = memory * 10 / 21;
    while plain > 0 && plain + packed_bytes_max(plain) > memory {
        plain -= 1;
    }
    if plain > BLOCK_BYTES_MAX { BLOCK_BYTES_MAX } else { plain }
}
