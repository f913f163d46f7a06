//! The fuzzer's bytes as a source of decisions.

/// What is left of an input. At its end every decision is 0.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Two bytes.
    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `bound`, which is not 0: of one byte where that is enough.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let drawn: usize = if bound <= 256 { self.byte().into() } else { self.word().into() };
        drawn % bound
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        // Not at the input's end: what is rare stays rare there.
        self.below(count) == count - 1
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// The next bytes as they are, fewer at the end.
    pub(super) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A time in microseconds, of any order of magnitude up to some minutes.
    pub(super) fn micros(&mut self) -> u64 {
        let (order, mantissa) = (self.below(25), u64::from(self.byte()));
        mantissa << order >> 4
    }
}
