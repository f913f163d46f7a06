//! The Ethernet controller of the LM3S6965, polled: one frame in, one frame out, both in memory of its own.
//!
//! The only unsafe code of the repository is here: two lines that reach a register. It must never know what a frame holds.

use core::ptr;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// A frame and what the controller's own words need beside it.
const FRAME_BYTES: usize = 1514;
const BUFFER_BYTES: usize = (FRAME_BYTES + 2).next_multiple_of(4);

/// The registers, by their names in the data sheet.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Register {
    /// System control: run mode clock gating.
    Rcgc2 = 0x400f_e108,
    ReceiveControl = 0x4004_8008,
    TransmitControl = 0x4004_800c,
    Data = 0x4004_8010,
    Address0 = 0x4004_8014,
    Address1 = 0x4004_8018,
    /// How many frames were received and not read.
    Packets = 0x4004_8034,
    TransmitRequest = 0x4004_8038,
}

impl Register {
    fn read(self) -> u32 {
        // SAFETY: the address is that of a register of this chip, which is always there and of this width.
        #[expect(unsafe_code, reason = "a device's registers are reached by their addresses")]
        unsafe {
            ptr::read_volatile(self as usize as *const u32)
        }
    }

    fn write(self, value: u32) {
        // SAFETY: as above. None of the values that are written makes the controller touch memory: it has no DMA.
        #[expect(unsafe_code, reason = "a device's registers are reached by their addresses")]
        unsafe {
            ptr::write_volatile(self as usize as *mut u32, value);
        }
    }
}

/// The controller, with a frame each way.
pub struct Ethernet {
    received: [u8; BUFFER_BYTES],
    sent: [u8; BUFFER_BYTES],
}

impl Ethernet {
    /// Both buffers empty; the controller sleeps.
    pub const fn new() -> Self {
        Self { received: [0; BUFFER_BYTES], sent: [0; BUFFER_BYTES] }
    }

    /// Wakes the controller, under this address.
    pub fn start(&mut self, address: [u8; 6]) {
        let [a, b, c, d, e, f] = address;
        Register::Rcgc2.write(Register::Rcgc2.read() | 1 << 30 | 1 << 28);
        Register::Address0.write(u32::from_le_bytes([a, b, c, d]));
        Register::Address1.write(u32::from_le_bytes([e, f, 0, 0]));
        Register::ReceiveControl.write(1 << 4); // what was received before is dropped
        Register::ReceiveControl.write(1 << 3 | 1); // enabled; frames with a wrong checksum are not taken
        Register::TransmitControl.write(1 << 4 | 1 << 2 | 1 << 1 | 1); // duplex, checksums, padding, enabled
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Room<'_>)> {
        (Register::Packets.read() & 0x3f != 0).then(|| (Received(&mut self.received), Room(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        (Register::TransmitRequest.read() & 1 == 0).then(|| Room(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities.max_burst_size = Some(1);
        capabilities
    }
}

/// A frame that waits in the controller.
pub struct Received<'a>(&'a mut [u8; BUFFER_BYTES]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        // Length and checksum stand around the frame, and count. The length is half a word, so is all that follows.
        let first = Register::Data.read();
        let bytes = usize::from(first as u16);
        let frame = bytes.saturating_sub(6).min(FRAME_BYTES);
        let [.., a, b] = first.to_le_bytes();
        self.0[..2].copy_from_slice(&[a, b]);
        let words = bytes.saturating_sub(4).div_ceil(4);
        for place in 0..words {
            let word = Register::Data.read().to_le_bytes();
            // More than fits is read away all the same: the next frame stands behind it.
            if let Some(room) = self.0.get_mut(2 + 4 * place..6 + 4 * place) {
                room.copy_from_slice(&word);
            }
        }
        read(&self.0[..frame])
    }
}

/// Room for a frame in the controller.
pub struct Room<'a>(&'a mut [u8; BUFFER_BYTES]);

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, bytes: usize, write: F) -> R {
        let written = write(&mut self.0[..bytes]);
        // The length in front is that of what follows the two addresses and the type.
        let [a, b] = (bytes.saturating_sub(14) as u16).to_le_bytes();
        Register::Data.write(u32::from_le_bytes([a, b, self.0[0], self.0[1]]));
        let (words, _) = self.0[2..].as_chunks();
        for word in &words[..bytes.saturating_sub(2).div_ceil(4)] {
            Register::Data.write(u32::from_le_bytes(*word));
        }
        Register::TransmitRequest.write(1);
        written
    }
}
