//! The memory that SASL needs on a device: one `static` more, for firmware that uses it (feature `sasl`).

use core::fmt;

use super::memory::Static;
use crate::compression::Codec;
use crate::sasl::Credentials;
use crate::sender::{SaslSlot, SaslTables};

/// All memory of SASL on a device: `BROKERS` as in [`Memory`](super::Memory), and `BYTES` for the messages of each
/// connection: 512 are enough for names and passwords of up to 64 bytes, 1,024 for all.
///
/// ```
/// use felice_core::config::{AccumulatorConfig, SenderConfig};
/// use felice_core::embedded::{Memory, SaslMemory};
/// use felice_core::sasl::Credentials;
///
/// let memory: &'static mut Memory<256, 32, 8, 2, 4, 2> = Box::leak(Box::new(Memory::new()));
/// let sasl: &'static mut SaslMemory<2, 512> = Box::leak(Box::new(SaslMemory::new()));
/// let mut producer = memory.producer("sensor-7", AccumulatorConfig::default(), SenderConfig::default());
/// let credentials = Credentials::plain("sensor-7", "secret")?;
/// assert!(producer.set_sasl(sasl.tables(credentials)));
/// # Ok::<(), felice_core::sasl::CredentialsError>(())
/// ```
pub struct SaslMemory<const BROKERS: usize, const BYTES: usize> {
    credentials: [Credentials; 1],
    slots: [SaslSlot; BROKERS],
    buffers: [[u8; BYTES]; BROKERS],
}

impl<const BROKERS: usize, const BYTES: usize> SaslMemory<BROKERS, BYTES> {
    /// All of it, in bytes.
    pub const BYTES: usize = size_of::<Self>();

    /// The memory, with nothing in it. Numbers that are too small are refused when the firmware is compiled.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(BROKERS >= 1 && BYTES >= 400, "too little for a message of SASL") };
        Self {
            credentials: [Credentials::oauth_bearer()],
            slots: [const { SaslSlot::EMPTY }; BROKERS],
            buffers: [[0; BYTES]; BROKERS],
        }
    }

    /// What [`Producer::set_sasl`](crate::producer::Producer::set_sasl) takes.
    pub fn tables<const BLOCK_BYTES: usize, C: Codec>(
        &'static mut self,
        credentials: Credentials,
    ) -> SaslTables<Static<BLOCK_BYTES, C>> {
        self.credentials[0] = credentials;
        SaslTables {
            credentials: self.credentials.as_mut_slice(),
            slots: self.slots.as_mut_slice(),
            buffers: self.buffers.as_flattened_mut(),
        }
    }
}

impl<const BROKERS: usize, const BYTES: usize> Default for SaslMemory<BROKERS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BROKERS: usize, const BYTES: usize> fmt::Debug for SaslMemory<BROKERS, BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslMemory").field("bytes", &Self::BYTES).finish_non_exhaustive()
    }
}
