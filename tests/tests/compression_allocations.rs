//! Compressing allocates nothing, whatever the batches are like: every allocation of the process is counted. What zstd's C
//! library takes is not seen here; its own test asks the library.

use felice_core::compression::{Codec, Compression, Output};
use felice_core::memory::Pool;
use felice_host::{Codecs, HeapBlock, Wanted};
use felice_tests::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BYTES_MAX: usize = 256 * 1024;

#[test]
fn compressing_allocates_nothing() {
    let text: Vec<u8> = (0..BYTES_MAX).map(|at| (at % 251 * (at / 700)) as u8).collect();
    let mut pool = Pool::new();
    for _ in 0..800 {
        pool.add(HeapBlock::new(1_024)).expect("all have one length");
    }
    for compression in &Compression::ALL[1..] {
        let mut codecs = Codecs::new(&Wanted::one(*compression, BYTES_MAX as u32));
        let before = allocations();
        for length in [100, 20_000, BYTES_MAX, 5_000, 70_000] {
            let mut plain = Output::new(&mut pool, length);
            plain.write(&text[..length]).expect("there is room");
            let plain = plain.into_chain();
            let mut packed = Output::new(&mut pool, 2 * length + 100);
            codecs.compress(*compression, plain.pieces(), &mut packed).expect("there is room");
            let packed = packed.into_chain();
            let mut again = Output::new(&mut pool, length);
            codecs.decompress(*compression, packed.pieces(), &mut again).expect("it is what it was");
            let again = again.into_chain();
            [plain, packed, again].into_iter().for_each(|chain| pool.recycle(chain));
        }
        assert_eq!(allocations() - before, 0, "{compression}");
    }
}
