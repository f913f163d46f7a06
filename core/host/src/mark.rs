//! `spool.dedup.header`: one more header for every record, which no two records share, and which stays the same however
//! often a record is stored. Nothing here allocates, but for a record with very many headers.

use felice_core::record::Header;

/// As many headers are put together without an allocation.
const HEADERS: usize = 16;

/// The header's name, and the next record's value.
pub(crate) struct Mark {
    name: Box<str>,
    /// Which producer, and how many records it has accepted.
    life: u64,
    next: u64,
}

impl Mark {
    pub(crate) fn new(name: &str, life: u64) -> Self {
        Self { name: name.into(), life, next: 0 }
    }

    /// The record was accepted: the next one has the next number.
    pub(crate) const fn used(&mut self) {
        self.next += 1;
    }

    /// Calls `with` with these headers, and the next record's own behind them.
    pub(crate) fn with<T>(&self, headers: &[Header<'_>], with: impl FnOnce(&[Header<'_>]) -> T) -> T {
        let value = (u128::from(self.life) << 64 | u128::from(self.next)).to_be_bytes();
        let own = Header { key: &self.name, value: Some(&value) };
        let mut few = [own; HEADERS];
        if let Some(place) = few.get_mut(..headers.len()).filter(|place| place.len() < HEADERS) {
            place.copy_from_slice(headers);
            return with(&few[..=headers.len()]);
        }
        let mut many = headers.to_vec();
        many.push(own);
        with(&many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_behind_the_others_however_many_they_are() {
        let mut mark = Mark::new("id", 7);
        for count in 0..40 {
            let headers = vec![Header::new("a", "x"); count];
            let expected = [[0, 0, 0, 0, 0, 0, 0, 7], (count as u64).to_be_bytes()].concat();
            mark.with(&headers, |all| {
                assert_eq!(all[..count], headers);
                assert_eq!(all[count..], [Header::new("id", &expected)]);
            });
            mark.used();
        }
    }
}
