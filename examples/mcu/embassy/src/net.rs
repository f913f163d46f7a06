//! Sockets of embassy-net.

use embassy_net::Stack;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embedded_io_async::{Read, Write};
use felice_core::error::Disconnect;

use crate::{Dial, Socket};

/// embassy-net's stack, and the buffers of its socket.
pub struct Tcp<'d> {
    stack: Stack<'d>,
    receive: &'d mut [u8],
    send: &'d mut [u8],
}

impl<'d> Tcp<'d> {
    /// Sockets with these buffers: what is sent before it is acknowledged must fit into `send`.
    pub const fn new(stack: Stack<'d>, receive: &'d mut [u8], send: &'d mut [u8]) -> Self {
        Self { stack, receive, send }
    }
}

impl Dial for Tcp<'_> {
    type Socket<'s>
        = TcpSocket<'s>
    where
        Self: 's;

    async fn connect(&mut self, host: &str, port: u16) -> Result<TcpSocket<'_>, Disconnect> {
        let found = self.stack.dns_query(host, DnsQueryType::A).await.map_err(|_| Disconnect::Unresolved)?;
        let &address = found.first().ok_or(Disconnect::Unresolved)?;
        let mut socket = TcpSocket::new(self.stack, self.receive, self.send);
        socket.connect((address, port)).await.map_err(|_| Disconnect::Refused)?;
        Ok(socket)
    }
}

impl Socket for TcpSocket<'_> {
    fn split(&mut self) -> (impl Read, impl Write) {
        TcpSocket::split(self)
    }
}
