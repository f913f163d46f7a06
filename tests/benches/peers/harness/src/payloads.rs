//! What is sent: the same values and keys for every contender.

/// How many values there are; they are sent in turn.
const VALUES: usize = 1_024;
const TEXT: &[u8] = br#"{"sensor":"boiler-7","unit":"degC","quality":"good"}"#;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Values: the first half pseudo-random, the second half text.
pub struct Payloads(Vec<Vec<u8>>);

impl Payloads {
    /// Values of `size` bytes.
    pub fn new(size: usize) -> Self {
        let mut random = Keys::new();
        let value = |_| {
            let byte = |at| {
                let random = random.next();
                if at < size / 2 { (random >> 24) as u8 } else { TEXT[at % TEXT.len()] }
            };
            (0..size).map(byte).collect()
        };
        Self((0..VALUES).map(value).collect())
    }

    /// The value of the record with this index.
    pub fn get(&self, index: u64) -> &[u8] {
        &self.0[index as usize % VALUES]
    }
}

/// Pseudo-random numbers (xorshift), whose eight bytes, highest first, are the keys.
pub struct Keys(u64);

impl Keys {
    /// The sequence from its beginning.
    #[expect(clippy::new_without_default, reason = "a sequence that begins is no default")]
    pub fn new() -> Self {
        Self(SEED)
    }

    /// Another sequence for each thread.
    pub fn of_thread(thread: u64) -> Self {
        Self(SEED.wrapping_add(thread))
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "a sequence without end needs no Option")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next key.
    pub fn key(&mut self) -> [u8; 8] {
        self.next().to_be_bytes()
    }
}
