//! The driver's network over sockets that are made up: where it connects to, how long it waits, what it keeps room for.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use felice_core::record::ProducerRecord;

use super::*;
use crate::config::Settings;
use crate::lock::lock;
use crate::resolve::LookUp;
use crate::socket_options::SocketOptions;
use crate::{Sending, start};

/// How long anything may take that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What sockets there were.
#[derive(Default)]
struct World {
    /// The addresses that were connected to, in order.
    asked: Mutex<Vec<Ipv4Addr>>,
    /// Those of sockets that are open.
    open: Mutex<Vec<Ipv4Addr>>,
}

type Asked = Arc<World>;

const REFUSES: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SWALLOWS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ANSWERS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const ANSWERS_TOO: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 4);

/// A socket that is connected if its address answers, and then takes what is written and says nothing.
struct Wire {
    address: Ipv4Addr,
    world: Asked,
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut open = lock(&self.world.open);
        let place = open.iter().position(|address| *address == self.address).unwrap();
        open.remove(place);
    }
}

impl Socket for Wire {
    type Reactor = Asked;

    fn connect(world: &Asked, _: ConnectionId, address: SocketAddr, _: &SocketOptions) -> io::Result<Self> {
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        let address = *address.ip();
        lock(&world.asked).push(address);
        if address == REFUSES {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        lock(&world.open).push(address);
        Ok(Self { address, world: Arc::clone(world) })
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        Ok([ANSWERS, ANSWERS_TOO].contains(&self.address))
    }

    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn await_more(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

/// With a record that somebody waits for, and another look-up of names.
fn network(look_up: LookUp, set: impl FnOnce(&mut Settings)) -> (Network<Wire>, Asked) {
    let mut settings = Settings {
        bootstrap_servers: vec!["kafka:9092".into()],
        linger: Duration::ZERO,
        reconnect_backoff: Duration::from_millis(1),
        reconnect_backoff_max: Duration::from_millis(1),
        ..Settings::default()
    };
    set(&mut settings);
    let (shared, engine) = start(settings, Waker::noop().clone()).unwrap();
    let sent = Sending::handle(&shared).poll(None, &ProducerRecord::new("t", "value").partition(0));
    assert!(matches!(sent, Poll::Ready(Ok(_))));
    let asked = Asked::default();
    let mut network = Network::new(engine, Waker::noop().clone(), Arc::clone(&asked));
    network.resolver.with.look_up = look_up;
    (network, asked)
}

fn see_to_sockets(network: &mut Network<Wire>) {
    let ids: Vec<ConnectionId> = network.transports.iter().flatten().map(|it| it.id).collect();
    for id in ids {
        network.handle(id, Readiness { readable: false, writable: true, closing: false });
    }
}

/// Turns, and sees to every socket, until so many addresses were asked.
fn until_asked(network: &mut Network<Wire>, asked: &Asked, count: usize) -> Vec<Ipv4Addr> {
    let begun = std::time::Instant::now();
    loop {
        network.turn();
        see_to_sockets(network);
        let asked = lock(&asked.asked).clone();
        if asked.len() >= count {
            return asked;
        }
        assert!(begun.elapsed() < PATIENCE, "{asked:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_name_is_looked_up_for_every_attempt() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    // Unknown at first, then a broker that goes, and is back elsewhere.
    let look_up = |_: &str, port| match LOOKS.fetch_add(1, Ordering::Relaxed) {
        0 => Vec::new(),
        1 | 2 => vec![(REFUSES, port).into()],
        _ => vec![(ANSWERS, port).into()],
    };
    let (mut network, asked) = network(look_up, |_| ());
    assert_eq!(until_asked(&mut network, &asked, 3), [REFUSES, REFUSES, ANSWERS]);
    assert_eq!(LOOKS.load(Ordering::Relaxed), 4);
}

#[test]
fn an_address_that_swallows_packets_has_a_head_start_and_no_more() {
    let look_up = |_: &str, port| [SWALLOWS, REFUSES, ANSWERS].map(|address| (address, port).into()).to_vec();
    let (mut network, asked) = network(look_up, |_| ());
    until_asked(&mut network, &asked, 1);
    let wait = network.poll_timeout().expect("there are others");
    assert!(wait <= Duration::from_millis(250), "{wait:?}");
    let begun = std::time::Instant::now();
    assert_eq!(until_asked(&mut network, &asked, 3), [SWALLOWS, REFUSES, ANSWERS], "one attempt for all");
    assert!(begun.elapsed() >= wait, "it is alone until then");
    assert_eq!(*lock(&asked.open), [ANSWERS], "who has lost is closed");
}

#[test]
fn of_many_addresses_few_are_tried_at_once() {
    let look_up = |_: &str, port| vec![(SWALLOWS, port).into(); 30];
    let (mut network, asked) = network(look_up, |settings| {
        settings.connection_setup_timeout = Duration::from_secs(30);
    });
    assert_eq!(until_asked(&mut network, &asked, 12), [SWALLOWS; 12]);
    assert_eq!(lock(&asked.open).len(), 8);
}

#[test]
fn who_connects_and_says_nothing_comes_last_the_next_time() {
    let look_up = |_: &str, port| [ANSWERS, ANSWERS_TOO].map(|address| (address, port).into()).to_vec();
    let (mut network, asked) =
        network(look_up, |settings| settings.connection_setup_timeout = Duration::from_millis(20));
    assert_eq!(until_asked(&mut network, &asked, 4), [ANSWERS, ANSWERS_TOO, ANSWERS, ANSWERS_TOO]);
}

#[test]
fn a_look_up_that_hangs_is_given_up() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let look_up = |_: &str, port| match LOOKS.fetch_add(1, Ordering::Relaxed) {
        0 => loop {
            std::thread::park();
        },
        _ => vec![(ANSWERS, port).into()],
    };
    let (mut network, asked) =
        network(look_up, |settings| settings.connection_setup_timeout = Duration::from_millis(50));
    assert_eq!(until_asked(&mut network, &asked, 1), [ANSWERS]);
    assert_eq!(LOOKS.load(Ordering::Relaxed), 2);
}

#[test]
fn a_connection_that_is_busy_for_the_first_time_allocates_nothing() {
    let (mut network, asked) = network(|_, port| vec![(ANSWERS, port).into()], |_| ());
    until_asked(&mut network, &asked, 1);
    assert!(network.again.capacity() >= network.transports.len());
}
