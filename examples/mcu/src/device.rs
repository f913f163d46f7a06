//! felice as this device has it: all its memory, how much of it, and where the brokers are.

use core::time::Duration;

use felice_core::Address;
use felice_core::config::{AccumulatorConfig, SenderConfig};
use felice_core::embedded::{Driver, Node, Static, Tables};
use static_cell::{ConstStaticCell, StaticCell};

use crate::net::{Shared, Sockets};

const BLOCK_BYTES: usize = 256;
/// 8 KiB for records.
const BLOCKS: usize = 32;
/// One that is open, two on their way, and the reserve; a batch has a quarter of the memory at most.
const BATCHES: usize = 4;
const TOPICS: usize = 1;
const PARTITIONS: usize = 1;
/// The bootstrap server and the broker are the same.
const BROKERS: usize = 1;

/// The producer with its sockets.
pub type Device = Driver<Static<BLOCK_BYTES>, Sockets>;

/// What stays where it is, beside the records.
pub const STATIC_BYTES: usize =
    Tables::<BLOCK_BYTES, BATCHES, TOPICS, PARTITIONS, BROKERS>::BYTES + size_of::<Device>();

/// Makes the producer. To be called once.
pub fn build(stack: Shared, port: u16, seed: u64) -> &'static mut Device {
    static TABLES: ConstStaticCell<Tables<BLOCK_BYTES, BATCHES, TOPICS, PARTITIONS, BROKERS>> =
        ConstStaticCell::new(Tables::new());
    static RECORDS: ConstStaticCell<[Node<BLOCK_BYTES>; BLOCKS]> =
        ConstStaticCell::new([const { Node::EMPTY }; BLOCKS]);
    static DEVICE: StaticCell<Device> = StaticCell::new();

    let accumulator = AccumulatorConfig { seed, ..AccumulatorConfig::default() };
    // A broker in reach answers within milliseconds: a link that was cut is noticed the sooner.
    let sender = SenderConfig { seed, request_timeout: Duration::from_secs(3), ..SenderConfig::default() };
    DEVICE.init_with(|| {
        let mut producer = TABLES.take().producer(RECORDS.take(), "mcu", accumulator, sender);
        // There is a slot for it.
        let _ = producer.add_bootstrap("127.0.0.1", port);
        Driver::new(producer, Sockets(stack)).with_address_map(from_inside)
    })
}

/// The broker listens on the host's loopback, and names itself so. From inside the emulator that is another address.
fn from_inside(address: Address<'_>) -> Address<'_> {
    match address.host {
        "127.0.0.1" | "localhost" => Address { host: "10.0.2.2", ..address },
        _ => address,
    }
}
