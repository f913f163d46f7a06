//! A device that sends its readings to Kafka: a Cortex-M3 with 64 KiB of RAM, smoltcp, no operating system, no heap.
//!
//! It runs under QEMU, whose semihosting stands for what a real device has at hand: a console, a clock, randomness.

#![no_std]
#![no_main]

mod clock;
mod device;
mod ethernet;
mod net;

use core::time::Duration;

use cortex_m_rt::entry;
use felice_core::embedded::Outcome;
use felice_core::producer::SendError;
use felice_core::record::ProducerRecord;
use felice_core::time::{Instant, Timestamp};
use semihosting::experimental::time::SystemTime;
use semihosting::experimental::{env, random};
use semihosting::{println, process};

use clock::Clock;
use device::Device;
use net::Shared;

/// How often there is a reading.
const INTERVAL: Duration = Duration::from_millis(10);
/// How often the device says how many readings are stored.
const NEWS: u32 = 100;

/// How the program ends: its exit status.
#[derive(Clone, Copy)]
enum End {
    AllStored = 0,
    Usage = 2,
    ClockNotSet = 3,
    NotSent = 4,
    NotStored = 5,
}

/// What the command line says.
struct Arguments<'a> {
    port: u16,
    topic: &'a str,
    records: u32,
    clock: Time,
}

/// What the device knows of the time.
enum Time {
    Set(Timestamp),
    /// Not yet.
    Unset,
    /// And never will.
    None,
}

impl<'a> Arguments<'a> {
    fn read(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let port = words.next()?.parse().ok()?;
        let topic = words.next()?;
        let records = words.next()?.parse().ok()?;
        let clock = match words.next()? {
            "set" => Time::Set(time()?),
            "unset" => Time::Unset,
            "none" => Time::None,
            _ => return None,
        };
        Some(Self { port, topic, records, clock })
    }
}

/// A device with a network asks an NTP server, one with a battery its own clock.
fn time() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp::from_millis)
}

/// A device has a generator of random numbers, or the noise of an open input.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = random::fill_bytes(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[entry]
fn main() -> ! {
    process::exit(run() as i32)
}

fn run() -> End {
    println!("felice-static {}", device::STATIC_BYTES);
    let (Ok(line), Some(peripherals)) = (env::args::<128>(), cortex_m::Peripherals::take()) else {
        return End::Usage;
    };
    let Some(arguments) = Arguments::read((&line).into_iter().filter_map(Result::ok).skip(1)) else {
        println!("usage: PORT TOPIC RECORDS set|unset|none");
        return End::Usage;
    };
    let mut clock = Clock::start(peripherals.SYST);
    let stack = net::start(clock.network(), seed());
    let device = device::build(stack, arguments.port, seed());
    match arguments.clock {
        Time::Set(time) => device.producer().set_clock(clock.now(), time),
        Time::Unset => {}
        Time::None => device.producer().allow_unset_clock(),
    }
    let end = send_all(device, stack, &mut clock, &arguments);
    println!("stack {}", cortex_m_stack::stack_size() - cortex_m_stack::stack_painted());
    end
}

/// The main loop: a reading whenever it is time for one, and what came of the earlier ones.
fn send_all(device: &mut Device, stack: Shared, clock: &mut Clock, arguments: &Arguments<'_>) -> End {
    let &Arguments { topic, records, .. } = arguments;
    let (mut sent, mut stored) = (0, 0);
    let mut due = Instant::ZERO;
    while stored < records {
        let now = clock.now();
        if sent < records && due <= now {
            match device.send(now, ProducerRecord::new(topic, format_args!("{sent:0100}"))) {
                Ok(_) => {
                    sent += 1;
                    due = now + INTERVAL;
                }
                // Memory is full: the reading waits. Another device might rather drop it.
                Err(error) if error.is_retriable() => {}
                Err(SendError::ClockNotSet) => return End::ClockNotSet,
                Err(_) => return End::NotSent,
            }
        }
        stack.borrow_mut().poll(clock.network());
        while let Some(outcome) = device.poll(now) {
            let Outcome::Completed(completed) = outcome else { continue };
            if completed.result.is_err() {
                return End::NotStored;
            }
            stored += completed.count;
            if stored % NEWS < completed.count {
                println!("stored {stored}");
            }
        }
        stack.borrow_mut().poll(clock.network());
        cortex_m::asm::wfi();
    }
    End::AllStored
}
