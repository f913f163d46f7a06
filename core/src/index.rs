//! Finds a partition's slot: open addressing with linear probing over a table of the caller's. Both planes keep one.

use crate::id::TopicPartition;

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Slots by partition. The table must be at least twice as long as there are slots, so that every search ends soon.
#[derive(Debug)]
pub(crate) struct Index<T>(T);

impl<T: AsRef<[u32]> + AsMut<[u32]>> Index<T> {
    pub(crate) fn new(mut table: T) -> Self {
        table.as_mut().fill(NONE);
        Self(table)
    }

    /// How many slots can be found at once.
    pub(crate) fn capacity(&self) -> usize {
        self.0.as_ref().len() / 2
    }

    /// The partition's slot, or [`NONE`]. `key` tells a slot's partition.
    #[inline]
    pub(crate) fn find(&self, wanted: TopicPartition, key: impl Fn(u32) -> TopicPartition) -> u32 {
        let places = self.0.as_ref();
        if places.is_empty() {
            return NONE;
        }
        let mut at = home(wanted, places.len());
        loop {
            let slot = places[at];
            if slot == NONE || key(slot) == wanted {
                return slot;
            }
            at = following(at, places.len());
        }
    }

    /// Notes the slot of a partition that has none.
    pub(crate) fn insert(&mut self, key: TopicPartition, slot: u32) {
        let places = self.0.as_mut();
        let mut at = home(key, places.len());
        while places[at] != NONE {
            at = following(at, places.len());
        }
        places[at] = slot;
    }

    /// Forgets a partition's slot, and closes the gap, so that no other one is cut off from its home.
    pub(crate) fn remove(&mut self, removed: TopicPartition, slot: u32, key: impl Fn(u32) -> TopicPartition) {
        let places = self.0.as_mut();
        let length = places.len();
        let mut gap = home(removed, length);
        while places[gap] != slot {
            gap = following(gap, length);
        }
        let mut at = following(gap, length);
        while places[at] != NONE {
            let home = home(key(places[at]), length);
            let reaches = |to: usize| if to >= home { to - home } else { to + length - home };
            if reaches(gap) < reaches(at) {
                places[gap] = places[at];
                gap = at;
            }
            at = following(at, length);
        }
        places[gap] = NONE;
    }
}

/// Where an entry belongs. Fibonacci hashing: no division, and neighbouring partitions are spread.
fn home(key: TopicPartition, length: usize) -> usize {
    let key = u64::from(key.topic.0) << 32 | u64::from(key.partition.cast_unsigned());
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((hash * length as u64) >> 32) as usize
}

const fn following(at: usize, length: usize) -> usize {
    if at + 1 < length { at + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TopicId;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn what_is_removed_leaves_everything_else_to_be_found() {
        const SLOTS: u32 = 50;
        let mut index = Index::new(vec![0_u32; 2 * SLOTS as usize]);
        let key = |partition: u32| TopicPartition { topic: TopicId(3), partition: partition as i32 };
        let mut held: Vec<Option<TopicPartition>> = vec![None; SLOTS as usize];
        for round in 0..20_000_u32 {
            let slot = (round.wrapping_mul(2_654_435_761) >> 16) % SLOTS;
            let of = |held: &[Option<TopicPartition>], slot: u32| held[slot as usize].unwrap();
            match held[slot as usize] {
                None => {
                    held[slot as usize] = Some(key(round));
                    index.insert(key(round), slot);
                }
                Some(removed) => {
                    index.remove(removed, slot, |slot| of(&held, slot));
                    held[slot as usize] = None;
                    assert_eq!(index.find(removed, |slot| of(&held, slot)), NONE);
                }
            }
            for (slot, key) in held.iter().enumerate() {
                if let Some(key) = key {
                    assert_eq!(index.find(*key, |slot| of(&held, slot)), slot as u32);
                }
            }
        }
        assert_eq!(index.capacity(), SLOTS as usize);
    }
}
