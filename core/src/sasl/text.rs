//! Messages that are put together in memory of a fixed length.

/// Text into a buffer.
pub(super) struct Text<'o> {
    out: &'o mut [u8],
    /// How much there is; `None` once something had no room.
    length: Option<usize>,
}

impl<'o> Text<'o> {
    pub(super) const fn new(out: &'o mut [u8]) -> Self {
        Self { out, length: Some(0) }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.length = self.length.and_then(|length| {
            self.out.get_mut(length..length + bytes.len())?.copy_from_slice(bytes);
            Some(length + bytes.len())
        });
    }

    /// How long it is; `None` where there was no room for all of it.
    pub(super) const fn finish(self) -> Option<usize> {
        self.length
    }
}
