//! Compression of a batch's records: Kafka's five types, and what a codec has to do.
//!
//! A codec reads a batch's blocks in order and writes into others. It takes no memory but what it was made with and the
//! blocks of its [`Output`], and never writes more than was agreed on, whatever the bytes say. It knows nothing of
//! batches: when records are compressed, and what becomes of the blocks, is the rooms' `batch` and `sender` business.

#[cfg(feature = "lz4")]
mod lz4;
#[cfg(test)]
pub(crate) mod tests;

use core::fmt;

#[cfg(feature = "lz4")]
pub use lz4::{LZ4_MEMORY_BYTES, Lz4};

use crate::memory::{Block, Chain, OpenChain, Pieces, Pool};

/// Kafka's `compression.type`: how a batch's records are compressed. The number is the one in the batch's attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Compression {
    /// As they are.
    #[default]
    None = 0,
    /// gzip (RFC 1952).
    Gzip = 1,
    /// Snappy, in the frames of snappy-java.
    Snappy = 2,
    /// LZ4, in LZ4's own frame format.
    Lz4 = 3,
    /// Zstandard (RFC 8878). Brokers from 2.1 on.
    Zstd = 4,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Compresses records, and takes back what it has compressed.
///
/// Both directions are needed: a compressed batch that a broker refuses is sent plain, or in parts.
pub trait Codec: 'static {
    /// Writes the records compressed.
    ///
    /// # Errors
    ///
    /// [`Full`] where they do not fit into the output, which is shorter than they are: they do not shrink. Also where
    /// the codec does not do this compression. The batch stays plain then.
    fn compress<B: Block>(
        &mut self,
        compression: Compression,
        plain: Pieces<'_, B>,
        packed: &mut Output<'_, B>,
    ) -> Result<(), Full>;

    /// Writes the records as they were.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where the bytes are not what [`compress`](Self::compress) writes, or more comes out of them than the
    /// output takes.
    fn decompress<B: Block>(
        &mut self,
        compression: Compression,
        packed: Pieces<'_, B>,
        plain: &mut Output<'_, B>,
    ) -> Result<(), Damaged>;
}

/// No codec: all batches stay plain.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCodec;

impl Codec for NoCodec {
    fn compress<B: Block>(
        &mut self,
        _: Compression,
        _: Pieces<'_, B>,
        _: &mut Output<'_, B>,
    ) -> Result<(), Full> {
        Err(Full)
    }

    fn decompress<B: Block>(
        &mut self,
        _: Compression,
        _: Pieces<'_, B>,
        _: &mut Output<'_, B>,
    ) -> Result<(), Damaged> {
        Err(Damaged)
    }
}

/// There is no room for what was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Compressed bytes that are none, or more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl From<Full> for Damaged {
    fn from(Full: Full) -> Self {
        Self
    }
}

/// What a codec reads: the bytes of a chain, in order.
pub struct Input<'c, B> {
    piece: &'c [u8],
    rest: Pieces<'c, B>,
}

impl<'c, B: Block> Input<'c, B> {
    /// Reads these pieces.
    #[must_use]
    pub const fn new(pieces: Pieces<'c, B>) -> Self {
        Self { piece: &[], rest: pieces }
    }

    /// The bytes that come next and stand in one piece: none at the end.
    pub fn piece(&mut self) -> &'c [u8] {
        if self.piece.is_empty() {
            self.piece = self.rest.next().unwrap_or_default();
        }
        self.piece
    }

    /// Goes on by so many bytes of the [`piece`](Self::piece).
    pub fn skip(&mut self, bytes: usize) {
        self.piece = self.piece.get(bytes..).unwrap_or_default();
    }

    /// Fills a buffer, or as much of it as there are bytes left.
    pub fn read<'b>(&mut self, buffer: &'b mut [u8]) -> &'b [u8] {
        let mut filled = 0;
        while filled < buffer.len() {
            let piece = self.piece();
            let count = piece.len().min(buffer.len() - filled);
            if count == 0 {
                break;
            }
            buffer[filled..filled + count].copy_from_slice(&piece[..count]);
            filled += count;
            self.skip(count);
        }
        &buffer[..filled]
    }

    /// Fills a buffer.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where there are fewer bytes left.
    pub fn read_exact<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8], Damaged> {
        let length = buffer.len();
        let read = self.read(buffer);
        if read.len() == length { Ok(read) } else { Err(Damaged) }
    }
}

impl<B> fmt::Debug for Input<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").finish_non_exhaustive()
    }
}

/// What a codec writes into: blocks that are taken as they are needed, and no more bytes than were agreed on.
#[derive(Debug)]
pub struct Output<'p, B: Block> {
    chain: OpenChain<B>,
    pool: &'p mut Pool<B>,
    left: usize,
}

impl<'p, B: Block> Output<'p, B> {
    /// At most so many bytes, into blocks of this pool.
    pub const fn new(pool: &'p mut Pool<B>, bytes_max: usize) -> Self {
        Self { chain: OpenChain::new(), pool, left: bytes_max }
    }

    /// Bytes that were written.
    pub(crate) const fn bytes(&self) -> u32 {
        self.chain.bytes()
    }

    /// From now on so many more bytes can be written.
    pub(crate) const fn limit(&mut self, bytes_max: usize) {
        self.left = bytes_max;
    }

    /// Bytes that can still be written.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// Where the next bytes go: say by [`wrote`](Self::wrote) how many they were. At least one.
    ///
    /// # Errors
    ///
    /// [`Full`] where there is no room.
    pub fn space(&mut self) -> Result<&mut [u8], Full> {
        if self.left == 0 {
            return Err(Full);
        }
        if self.chain.room() == 0 {
            self.chain.push(self.pool.take().ok_or(Full)?);
        }
        let space = self.chain.rest();
        let length = space.len().min(self.left);
        Ok(&mut space[..length])
    }

    /// So many bytes of the [`space`](Self::space) were written: no more than it had.
    pub fn wrote(&mut self, bytes: usize) {
        let bytes = bytes.min(self.chain.room() as usize).min(self.left);
        self.left -= bytes;
        self.chain.wrote(bytes as u32);
    }

    /// Writes all of these bytes.
    ///
    /// # Errors
    ///
    /// [`Full`] where they do not fit; some may be written then.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Full> {
        while !bytes.is_empty() {
            let space = self.space()?;
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.wrote(count);
        }
        Ok(())
    }

    /// What was written, in order.
    #[must_use]
    pub fn into_chain(self) -> Chain<B> {
        self.chain.seal()
    }

    /// Nothing of it is needed: the blocks go back.
    pub fn give_back(self) {
        self.pool.recycle(self.chain.seal());
    }
}
