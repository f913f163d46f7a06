//! Chains of any length, and the pool.

extern crate std;

use std::vec::Vec;

use super::*;
use crate::test_storage::BoxBlock;

fn open(blocks: usize, bytes: usize) -> OpenChain<BoxBlock> {
    let mut chain = OpenChain::new();
    let mut rest: Vec<u8> = (0..bytes).map(|index| index as u8).collect();
    for _ in 0..blocks {
        chain.push(BoxBlock::new(10));
        let written = chain.write(&rest);
        rest.drain(..written);
    }
    chain
}

fn bytes(chain: &Chain<BoxBlock>) -> Vec<u8> {
    chain.pieces().flatten().copied().collect()
}

#[test]
fn pieces_come_in_order_and_only_the_last_is_short() {
    let chain = open(3, 25).seal();
    assert_eq!((chain.blocks(), chain.bytes()), (3, 25));
    assert_eq!(chain.pieces().map(<[u8]>::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(bytes(&chain), (0..25).collect::<Vec<_>>());
    assert_eq!(open(2, 20).seal().pieces().count(), 2);
    assert_eq!(open(1, 0).seal().pieces().count(), 0);
    assert_eq!(Chain::<BoxBlock>::new().pieces().count(), 0);
}

#[test]
fn a_write_stops_at_the_end_of_the_last_block() {
    let mut chain = OpenChain::<BoxBlock>::new();
    assert_eq!(chain.write(b"abc"), 0);
    assert!(chain.space(0).is_none());
    chain.push(BoxBlock::new(10));
    assert_eq!(chain.write(&[1; 7]), 7);
    assert!(chain.space(4).is_none());
    chain.space(2).unwrap().copy_from_slice(&[2; 2]);
    assert_eq!(chain.write(&[3; 7]), 1);
    assert_eq!((chain.bytes(), chain.room()), (10, 0));
    assert_eq!(bytes(&chain.seal()), [1, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
}

#[test]
fn popped_blocks_no_longer_count() {
    let mut chain = open(3, 25).seal();
    assert!(chain.pop().is_some());
    assert_eq!((chain.blocks(), chain.bytes()), (2, 15));
    assert_eq!(bytes(&chain), (10..25).collect::<Vec<_>>());
    assert!(chain.pop().is_some() && chain.pop().is_some());
    assert_eq!((chain.blocks(), chain.bytes()), (0, 0));
    assert!(chain.pop().is_none());
}

#[test]
fn a_reopened_chain_is_written_on() {
    for (blocks, filled) in [(3, 25), (2, 20), (1, 0)] {
        let mut chain = open(blocks, filled).seal().reopen();
        assert_eq!(
            (chain.blocks(), chain.bytes(), chain.room()),
            (blocks as u32, filled as u32, (blocks * 10 - filled) as u32)
        );
        let room = chain.room() as usize;
        assert_eq!(chain.write(&[0xee; 10]), room);
        let mut expected: Vec<u8> = (0..filled as u8).collect();
        expected.resize(blocks * 10, 0xee);
        assert_eq!(bytes(&chain.seal()), expected);
    }
    assert_eq!(Chain::<BoxBlock>::new().reopen().room(), 0);
}

#[test]
fn a_million_blocks_are_dropped_without_recursion() {
    const BLOCKS: usize = 1_000_000;
    // A stack on which a chain that dropped itself block by block, one inside the other, could not end.
    let run = || {
        let long = || {
            let mut chain = OpenChain::new();
            for _ in 0..BLOCKS {
                chain.push(BoxBlock::new(1));
            }
            chain
        };
        drop(long());
        drop(long().seal());
        drop(long().seal().reopen());
        let mut pool = Pool::new();
        for _ in 0..BLOCKS {
            assert!(pool.add(BoxBlock::new(1)).is_ok());
        }
        drop(pool);
        let mut pool = Pool::new();
        pool.recycle(long().seal());
        assert_eq!(pool.free(), BLOCKS as u32);
    };
    std::thread::Builder::new().stack_size(64 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_pool_counts_loose_blocks_and_whole_chains() {
    let mut pool = Pool::new();
    assert!(pool.add(BoxBlock::new(0)).is_err());
    for _ in 0..100 {
        assert!(pool.add(BoxBlock::new(10)).is_ok());
    }
    assert!(pool.add(BoxBlock::new(11)).is_err());
    assert_eq!((pool.free(), pool.total(), pool.block_bytes()), (100, 100, 10));
    // More chains than are kept whole, of 1 to 4 blocks; an empty one is nothing.
    let mut chains = Vec::new();
    for index in 0..30 {
        let mut chain = OpenChain::new();
        for _ in 0..index % 4 + 1 {
            chain.push(pool.take().unwrap());
        }
        chains.push(chain.seal());
    }
    assert_eq!(pool.free(), 100 - 73);
    for chain in chains {
        pool.recycle(chain);
    }
    pool.recycle(Chain::new());
    assert_eq!(pool.free(), 100);
    let mut blocks = Vec::new();
    while let Some(block) = pool.take() {
        blocks.push(block);
        assert_eq!(pool.free() as usize + blocks.len(), 100);
    }
    assert_eq!(blocks.len(), 100);
    assert!(blocks.iter().all(|block| block.peek().is_none()), "a block alone owns no other");
    for block in blocks {
        pool.put(block);
    }
    assert_eq!((pool.free(), pool.total()), (100, 100));
}
