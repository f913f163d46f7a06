//! Any bytes to the decompressors, and any bytes compressed: what goes in comes out, nothing panics, no more is written than
//! was agreed on, and every block is back.

use felice_core::compression::{Codec, Compression, Output};
use felice_core::memory::{Chain, Pool};
use felice_host::{Codecs, Wanted};

use super::input::Input;
use crate::protocol::decompress::decompress;
use crate::simulation::storage::SimBlock;

const BLOCKS: usize = 700;
const BYTES_MAX: usize = 20_000;

pub(super) fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let compression = Compression::ALL[1 + input.below(4)];
    let mut rig = Rig::new(compression, input.pick(&[64, 100, 1_024]));
    let bytes_max = input.below(BYTES_MAX);
    if input.one_in(2) {
        rig.decompress(input.take(usize::MAX), bytes_max);
    } else {
        let repeat = 1 + input.below(8);
        let plain = input.take(BYTES_MAX / repeat).repeat(repeat);
        rig.round_trip(&plain, bytes_max);
    }
    assert_eq!(rig.pool.free() as usize, BLOCKS, "a block is lost");
}

struct Rig {
    compression: Compression,
    codecs: Codecs,
    pool: Pool<SimBlock>,
}

impl Rig {
    fn new(compression: Compression, block_bytes: usize) -> Self {
        let mut pool = Pool::new();
        for _ in 0..BLOCKS {
            pool.add(SimBlock::new(block_bytes)).expect("all have one length");
        }
        Self { compression, codecs: Codecs::new(&Wanted::one(compression, BYTES_MAX as u32)), pool }
    }

    /// Compresses, and gives what came out, if it fits.
    fn compress(&mut self, plain: &Chain<SimBlock>, bytes_max: usize) -> Option<Chain<SimBlock>> {
        let mut packed = Output::new(&mut self.pool, bytes_max);
        let done = self.codecs.compress(self.compression, plain.pieces(), &mut packed);
        let packed = packed.into_chain();
        assert!(packed.bytes() as usize <= bytes_max);
        if done.is_err() {
            self.pool.recycle(packed);
            return None;
        }
        Some(packed)
    }

    fn decompress(&mut self, packed: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        let packed = self.chain(packed)?;
        let mut plain = Output::new(&mut self.pool, bytes_max);
        let done = self.codecs.decompress(self.compression, packed.pieces(), &mut plain);
        let plain = plain.into_chain();
        assert!(plain.bytes() as usize <= bytes_max);
        let bytes = bytes(&plain);
        self.pool.recycle(packed);
        self.pool.recycle(plain);
        done.ok().map(|()| bytes)
    }

    fn round_trip(&mut self, plain: &[u8], bytes_max: usize) {
        let Some(chain) = self.chain(plain) else { return };
        let packed = self.compress(&chain, bytes_max);
        self.pool.recycle(chain);
        let Some(packed) = packed else { return };
        let bytes = bytes(&packed);
        self.pool.recycle(packed);
        assert!(self.decompress(&bytes, plain.len()).is_none_or(|again| again == plain));
        let other = decompress(self.compression as u8, &bytes);
        assert!(other.as_deref() == Some(plain), "others read something else");
    }

    /// These bytes in blocks, if there are enough.
    fn chain(&mut self, bytes: &[u8]) -> Option<Chain<SimBlock>> {
        let mut output = Output::new(&mut self.pool, bytes.len());
        if output.write(bytes).is_err() {
            output.give_back();
            return None;
        }
        Some(output.into_chain())
    }
}

fn bytes(chain: &Chain<SimBlock>) -> Vec<u8> {
    chain.pieces().flatten().copied().collect()
}
