//! What a record costs on a Cortex-M3: instructions, counted by SysTick where the emulator makes each take the same time,
//! and the stack of felice alone. There is no network: [`broker`] answers out of memory.
//!
//! `qemu-system-arm -icount shift=0` lets an instruction take 1 ns, so a tick of 80 ns is 80 of them.

#![no_std]
#![no_main]

mod broker;
mod tcp;

use core::time::Duration;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use felice_core::checksum;
use felice_core::config::{AccumulatorConfig, SenderConfig};
use felice_core::embedded::{Driver, Memory, Static, Tables};
use felice_core::record::ProducerRecord;
use felice_core::time::{Instant, Timestamp};
use semihosting::{println, process};
use static_cell::{ConstStaticCell, StaticCell};

use broker::Broker;

const NANOSECONDS_PER_TICK: u32 = 80;
/// Bytes of a record's value.
const VALUE_BYTES: usize = 100;
/// Records of a batch: as many as a quarter of the memory holds.
const RECORDS: u32 = 16;

type Device = Driver<Static<256>, Broker>;

/// Runs, and tells how many instructions that took.
pub fn counted(run: impl FnOnce()) -> u32 {
    let begin = SYST::get_current();
    run();
    // It counts down, and 24 bits are 1.3 s.
    (begin.wrapping_sub(SYST::get_current()) & 0x00ff_ffff) * NANOSECONDS_PER_TICK
}

#[entry]
fn main() -> ! {
    let Some(mut peripherals) = cortex_m::Peripherals::take() else { process::exit(2) };
    peripherals.SYST.set_clock_source(SystClkSource::Core);
    peripherals.SYST.set_reload(0x00ff_ffff);
    peripherals.SYST.clear_current();
    peripherals.SYST.enable_counter();

    for (name, crc32c) in
        [("by-byte", checksum::crc32c as fn(u32, &[u8]) -> u32), ("by-8", checksum::crc32c_by_8)]
    {
        let bytes = [0xa5; 1024];
        let instructions = counted(|| {
            core::hint::black_box(crc32c(0, core::hint::black_box(&bytes)));
        });
        println!("crc32c-{name}-1024 {instructions}");
    }
    let device = build();
    cortex_m_stack::repaint_stack();
    let idle = cortex_m_stack::stack_painted();
    // The first one asks who leads the partition, and confirms it.
    let _ = produce(device, 1);
    let (half, whole) = (produce(device, RECORDS / 2), produce(device, RECORDS));
    println!("felice-stack {}", idle - cortex_m_stack::stack_painted());
    let record = (whole - half) / (RECORDS / 2);
    println!("felice-record {record}");
    println!("felice-batch {}", whole - record * RECORDS);
    println!("smoltcp-record {}", tcp::send() / RECORDS);
    table();
    process::exit(0)
}

/// Rows for `README.md`: bytes of the tables by how many partitions, topics and brokers there are, with 8 batches.
fn table() {
    println!("table | partitions | topics | brokers | static RAM beside the records |");
    println!("table |--:|--:|--:|--:|");
    const DEVICE: usize = size_of::<Device>();
    println!("table | 1 | 1 | 1 | {} |", Tables::<256, 8, 1, 1, 1>::BYTES + DEVICE);
    println!("table | 4 | 1 | 1 | {} |", Tables::<256, 8, 1, 4, 1>::BYTES + DEVICE);
    println!("table | 4 | 2 | 3 | {} |", Tables::<256, 8, 2, 4, 3>::BYTES + DEVICE);
    println!("table | 16 | 4 | 3 | {} |", Tables::<256, 8, 4, 16, 3>::BYTES + DEVICE);
    println!("table | 64 | 8 | 5 | {} |", Tables::<256, 8, 8, 64, 5>::BYTES + DEVICE);
}

/// Instructions for a batch: from its first record until all of it was handed to the socket, in pieces.
fn produce(device: &mut Device, records: u32) -> u32 {
    let instructions = counted(|| {
        if send(device, records) != records {
            process::exit(3);
        }
        while device.poll(Instant::ZERO).is_some() {}
    });
    settle(device);
    instructions
}

#[inline(never)]
fn build() -> &'static mut Device {
    static MEMORY: ConstStaticCell<Memory<256, 32, 4, 1, 1, 1>> = ConstStaticCell::new(Memory::new());
    static DEVICE: StaticCell<Device> = StaticCell::new();
    DEVICE.init_with(|| {
        let accumulator = AccumulatorConfig { linger: Duration::ZERO, ..AccumulatorConfig::default() };
        let mut producer = MEMORY.take().producer("mcu", accumulator, SenderConfig::default());
        let _ = producer.add_bootstrap("broker", 9092);
        producer.set_clock(Instant::ZERO, Timestamp::from_millis(1_700_000_000_000));
        Driver::new(producer, Broker::new())
    })
}

fn send(device: &mut Device, records: u32) -> u32 {
    let value = [0x5a; VALUE_BYTES];
    // Taken together, so that a single batch is what is counted.
    (0..records)
        .filter(|_| device.send(Instant::ZERO, ProducerRecord::new("readings", &value)).is_ok())
        .count() as u32
}

/// Lets the broker answer until every record is stored.
fn settle(device: &mut Device) {
    device.network().answers(true);
    while !device.producer().is_empty() {
        while let Some(outcome) = device.poll(Instant::ZERO) {
            core::hint::black_box(outcome);
        }
    }
    device.network().answers(false);
}
