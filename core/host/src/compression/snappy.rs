//! Snappy in the frames of snappy-java ("xerial"): a header, then chunks of 32 KiB, each behind its length.

use felice_core::compression::{Damaged, Full, Input, Output};
use felice_core::memory::{Block, Pieces};
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// Magic number, version 1, readable from version 1 on.
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Bytes of a chunk, plain: snappy-java's default.
const CHUNK_BYTES: usize = 32 * 1024;

pub(super) struct Snappy {
    encoder: Encoder,
    decoder: Decoder,
    /// A chunk, plain and compressed.
    plain: Box<[u8]>,
    packed: Box<[u8]>,
}

impl Snappy {
    pub(super) fn new() -> Self {
        let mut snappy = Self {
            encoder: Encoder::new(),
            decoder: Decoder::new(),
            plain: vec![0; CHUNK_BYTES].into(),
            packed: vec![0; max_compress_len(CHUNK_BYTES)].into(),
        };
        // The encoder allocates its table with the first long chunk: let that be now. A chunk of zeros does not fail.
        let _ = snappy.encoder.compress(&snappy.plain, &mut snappy.packed);
        snappy
    }

    pub(super) fn compress<B: Block>(
        &mut self,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        packed.write(&HEADER)?;
        let mut plain = Input::new(plain);
        loop {
            let chunk = plain.read(&mut self.plain);
            if chunk.is_empty() {
                return Ok(());
            }
            let bytes = self.encoder.compress(chunk, &mut self.packed).map_err(|_| Full)?;
            packed.write(&(bytes as u32).to_be_bytes())?;
            packed.write(&self.packed[..bytes])?;
        }
    }

    pub(super) fn decompress<B: Block>(
        &mut self,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        let mut packed = Input::new(packed);
        if packed.read_exact(&mut [0; HEADER.len()])? != HEADER {
            return Err(Damaged);
        }
        while !packed.piece().is_empty() {
            let mut length = [0; 4];
            packed.read_exact(&mut length)?;
            let chunk = self.packed.get_mut(..u32::from_be_bytes(length) as usize).ok_or(Damaged)?;
            let chunk = packed.read_exact(chunk)?;
            let bytes = decompress_len(chunk).map_err(|_| Damaged)?;
            let space = self.plain.get_mut(..bytes).ok_or(Damaged)?;
            let bytes = self.decoder.decompress(chunk, space).map_err(|_| Damaged)?;
            plain.write(space.get(..bytes).ok_or(Damaged)?)?;
        }
        Ok(())
    }
}
