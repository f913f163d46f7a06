//! What smoltcp takes to send as much as a batch: two of its stacks with a cable between them, of which one is counted.

use core::cell::RefCell;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};
use static_cell::ConstStaticCell;

use crate::counted;

const FRAME_BYTES: usize = 1514;
/// Of a batch and its request: what [`produce`](crate::produce) sends.
const BATCH_BYTES: usize = 1900;
const PORT: u16 = 9092;

/// A frame on its way.
struct Frame {
    bytes: [u8; FRAME_BYTES],
    length: usize,
}

impl Frame {
    const NONE: Self = Self { bytes: [0; FRAME_BYTES], length: 0 };
}

/// One end of the cable.
struct Plug {
    come: &'static RefCell<Frame>,
    gone: &'static RefCell<Frame>,
}

impl Device for Plug {
    type RxToken<'a> = Come;
    type TxToken<'a> = Go;

    fn receive(&mut self, _: Instant) -> Option<(Come, Go)> {
        (self.come.borrow().length > 0 && self.gone.borrow().length == 0)
            .then(|| (Come(self.come), Go(self.gone)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Go> {
        (self.gone.borrow().length == 0).then(|| Go(self.gone))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_BYTES;
        capabilities
    }
}

struct Come(&'static RefCell<Frame>);

impl phy::RxToken for Come {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let mut frame = self.0.borrow_mut();
        let length = core::mem::take(&mut frame.length);
        read(&frame.bytes[..length])
    }
}

struct Go(&'static RefCell<Frame>);

impl phy::TxToken for Go {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = self.0.borrow_mut();
        frame.length = length;
        write(&mut frame.bytes[..length])
    }
}

struct End {
    plug: Plug,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

type Memory = ([SocketStorage<'static>; 1], [[u8; 2048]; 2]);

impl End {
    fn new(host: u8, mut plug: Plug, memory: &'static mut Memory) -> Self {
        let address = EthernetAddress([2, 0, 0, 0, 0, host]);
        let mut interface = Interface::new(Config::new(address.into()), &mut plug, Instant::ZERO);
        interface.update_ip_addrs(|all| {
            let _ = all.push(IpCidr::new(Ipv4Address::new(10, 0, 0, host).into(), 24));
        });
        let (places, [receive, send]) = memory;
        let mut sockets = SocketSet::new(places.as_mut_slice());
        let [receive, send] = [receive, send].map(|buffer| tcp::SocketBuffer::new(buffer.as_mut_slice()));
        let socket = sockets.add(tcp::Socket::new(receive, send));
        Self { plug, interface, sockets, socket }
    }

    fn poll(&mut self) {
        self.interface.poll(Instant::ZERO, &mut self.plug, &mut self.sockets);
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }
}

/// Instructions of the sending end: from the first byte for its socket until all of them are acknowledged.
#[inline(never)]
pub fn send() -> u32 {
    const EMPTY: Memory = ([SocketStorage::EMPTY; 1], [[0; 2048]; 2]);
    static CABLE: ConstStaticCell<[RefCell<Frame>; 2]> =
        ConstStaticCell::new([const { RefCell::new(Frame::NONE) }; 2]);
    static MEMORY: ConstStaticCell<[Memory; 2]> = ConstStaticCell::new([const { EMPTY }; 2]);
    let [there, back] = &*CABLE.take();
    let [a, b] = MEMORY.take();
    let mut client = End::new(1, Plug { come: back, gone: there }, a);
    let mut server = End::new(2, Plug { come: there, gone: back }, b);
    // Time stands still, so nothing may wait for it. A fresh socket can do all of this.
    server.socket().set_ack_delay(None);
    let _ = server.socket().listen(PORT);
    let context = client.interface.context();
    let _ = client.sockets.get_mut::<tcp::Socket<'_>>(client.socket).connect(
        context,
        (Ipv4Address::new(10, 0, 0, 2), PORT),
        49152,
    );
    while !client.socket().may_send() || !server.socket().may_send() {
        client.poll();
        server.poll();
    }
    let batch = [0; BATCH_BYTES];
    let mut instructions = counted(|| {
        let _ = client.socket().send_slice(&batch);
    });
    while client.socket().send_queue() > 0 {
        instructions += counted(|| client.poll());
        server.poll();
        let _ = server.socket().recv(|bytes| (bytes.len(), ()));
    }
    instructions
}
