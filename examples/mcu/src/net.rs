//! felice's network over smoltcp: sockets that lie in one stack, each lent to one connection.
//!
//! Nothing here blocks, and nothing is allocated: a connection beyond the last socket is refused.

use core::cell::RefCell;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use felice_core::Address;
use felice_core::embedded::Network;
use felice_core::error::Disconnect;
use semihosting::println;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};
use static_cell::{ConstStaticCell, StaticCell};

use crate::ethernet::Ethernet;

/// One connection to the only broker, and one that is on its way out.
const SOCKETS: usize = 2;
const SOCKET_BYTES: usize = 2048;

const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const IP: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
const GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// The device's only network.
pub struct Stack {
    ethernet: &'static mut Ethernet,
    interface: Interface,
    sockets: SocketSet<'static>,
    /// Who opens a connection, and from which port.
    opened: u16,
}

/// The stack, shared by the main loop and all connections. They are in one thread: nobody holds it over a call.
pub type Shared = &'static RefCell<Stack>;

/// Wakes the controller and makes the stack. To be called once.
pub fn start(now: Instant, seed: u64) -> Shared {
    static ETHERNET: ConstStaticCell<Ethernet> = ConstStaticCell::new(Ethernet::new());
    static PLACES: ConstStaticCell<[SocketStorage<'static>; SOCKETS]> =
        ConstStaticCell::new([const { SocketStorage::EMPTY }; SOCKETS]);
    static BUFFERS: ConstStaticCell<[[[u8; SOCKET_BYTES]; 2]; SOCKETS]> =
        ConstStaticCell::new([[[0; SOCKET_BYTES]; 2]; SOCKETS]);
    static STACK: StaticCell<RefCell<Stack>> = StaticCell::new();

    let ethernet = ETHERNET.take();
    ethernet.start(MAC);
    let mut config = Config::new(EthernetAddress(MAC).into());
    config.random_seed = seed;
    let mut interface = Interface::new(config, ethernet, now);
    interface.update_ip_addrs(|addresses| {
        // There is room for one.
        let _ = addresses.push(IpCidr::new(IP.into(), 24));
    });
    let _ = interface.routes_mut().add_default_ipv4_route(GATEWAY);
    let mut sockets = SocketSet::new(PLACES.take().as_mut_slice());
    for [receive, send] in BUFFERS.take() {
        let [receive, send] = [receive, send].map(|buffer| tcp::SocketBuffer::new(buffer.as_mut_slice()));
        sockets.add(tcp::Socket::new(receive, send));
    }
    // Ports of an earlier life may still be known to the broker's side.
    let opened = seed as u16;
    STACK.init_with(|| RefCell::new(Stack { ethernet, interface, sockets, opened }))
}

impl Stack {
    /// Carries frames between the controller and the sockets.
    pub fn poll(&mut self, now: Instant) {
        self.interface.poll(now, self.ethernet, &mut self.sockets);
    }

    fn connect(&mut self, address: Ipv4Address, port: u16) -> Option<SocketHandle> {
        self.opened = self.opened.wrapping_add(1);
        let local = 0xc000 | self.opened;
        let free = |(_, socket): &(SocketHandle, &mut smoltcp::socket::Socket<'_>)| matches!(socket, smoltcp::socket::Socket::Tcp(it) if !it.is_open());
        let (handle, _) = self.sockets.iter_mut().find(free)?;
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.interface.context(), (address, port), local).ok()?;
        Some(handle)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

/// What felice asks for connections.
pub struct Sockets(pub Shared);

impl Network for Sockets {
    type Stream = Stream;

    fn connect(&mut self, address: Address<'_>) -> Result<Stream, Disconnect> {
        println!("connecting to {}:{}", address.host, address.port);
        // A device with a resolver asks it here.
        let ip = address.host.parse().map_err(|_| Disconnect::Unresolved)?;
        let handle = self.0.borrow_mut().connect(ip, address.port).ok_or(Disconnect::Refused)?;
        Ok(Stream { stack: self.0, handle })
    }
}

/// A connection; closed when it is dropped.
pub struct Stream {
    stack: Shared,
    handle: SocketHandle,
}

impl Stream {
    fn with<R>(&mut self, act: impl FnOnce(&mut tcp::Socket<'static>) -> R) -> R {
        act(self.stack.borrow_mut().socket(self.handle))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.with(tcp::Socket::abort);
    }
}

impl ErrorType for Stream {
    type Error = ErrorKind;
}

impl WriteReady for Stream {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.with(|socket| match socket.state() {
            tcp::State::SynSent | tcp::State::SynReceived => Ok(false),
            _ if socket.may_send() => Ok(socket.can_send()),
            _ => Err(ErrorKind::ConnectionReset),
        })
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.with(|socket| socket.send_slice(bytes)).map_err(|_| ErrorKind::ConnectionReset)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl ReadReady for Stream {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        // Where nothing will come any more, reading says so.
        self.with(|socket| Ok(socket.can_recv() || !socket.may_recv()))
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        self.with(|socket| match socket.recv_slice(room) {
            Ok(bytes) => Ok(bytes),
            Err(tcp::RecvError::Finished) => Ok(0),
            Err(tcp::RecvError::InvalidState) => Err(ErrorKind::ConnectionReset),
        })
    }
}
