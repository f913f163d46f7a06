//! gzip (RFC 1952): one member, without a name or a time, as Java's `GZIPOutputStream` writes it. zlib-rs does the work.

use crc32fast::Hasher;
use felice_core::compression::{Damaged, Full, Input, Output};
use felice_core::memory::{Block, Pieces};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

use super::{Step, decompress_by_steps};

/// Magic number, deflate, no flags, no time, nothing more about the level, of no known operating system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The operating system in the header means nothing: Java's versions differ in it.
const HEADER_MATTERS: usize = 9;
/// A window of 32 KiB.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip {
    deflate: Deflate,
    inflate: Inflate,
}

impl Gzip {
    pub(super) fn new(level: i32) -> Self {
        Self { deflate: Deflate::new(level, false, WINDOW_BITS), inflate: Inflate::new(false, WINDOW_BITS) }
    }

    pub(super) fn compress<B: Block>(
        &mut self,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        let bytes = plain.bytes() as u32;
        let mut checksum = Hasher::new();
        self.deflate.reset();
        packed.write(&HEADER)?;
        for piece in plain {
            checksum.update(piece);
            self.deflate(piece, DeflateFlush::NoFlush, packed)?;
        }
        self.deflate(&[], DeflateFlush::Finish, packed)?;
        packed.write(&checksum.finalize().to_le_bytes())?;
        packed.write(&bytes.to_le_bytes())
    }

    fn deflate<B: Block>(
        &mut self,
        mut piece: &[u8],
        flush: DeflateFlush,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        let finish = flush == DeflateFlush::Finish;
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(piece, packed.space()?, flush).map_err(|_| Full)?;
            piece = piece.get((self.deflate.total_in() - read) as usize..).unwrap_or_default();
            packed.wrote((self.deflate.total_out() - written) as usize);
            if status == Status::StreamEnd || (!finish && piece.is_empty()) {
                return Ok(());
            }
        }
    }

    pub(super) fn decompress<B: Block>(
        &mut self,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        let mut packed = Input::new(packed);
        let header = packed.read_exact(&mut [0; HEADER.len()])?[..HEADER_MATTERS] == HEADER[..HEADER_MATTERS];
        if !header {
            return Err(Damaged);
        }
        let mut checksum = Hasher::new();
        self.inflate.reset(false);
        decompress_by_steps(&mut packed, plain, |input, space| {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(input, space, InflateFlush::NoFlush).map_err(|_| Damaged)?;
            let (read, written) = (self.inflate.total_in() - read, self.inflate.total_out() - written);
            checksum.update(space.get(..written as usize).unwrap_or_default());
            Ok(Step { read: read as usize, written: written as usize, ends: status == Status::StreamEnd })
        })?;
        let mut trailer = [0; 8];
        packed.read_exact(&mut trailer)?;
        let expected =
            u64::from(checksum.finalize()) | (self.inflate.total_out() & u64::from(u32::MAX)) << 32;
        let ends = packed.piece().is_empty();
        if ends && trailer == expected.to_le_bytes() { Ok(()) } else { Err(Damaged) }
    }
}
