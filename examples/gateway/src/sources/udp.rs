//! Datagrams: a syslog message each, or lines of another format. What comes while nothing is read, the system keeps as far as its
//! buffer goes, and drops the rest: that is what UDP is.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use super::CHUNK_BYTES;
use crate::format::Format;
use crate::intake::Door;
use crate::lines::{Line, Lines};
use crate::mapping::{Origin, Scratch};

pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(super) fn run(door: &Door, line_bytes_max: usize, socket: &UdpSocket) -> io::Result<()> {
    crate::log::info("listening", &[("source", &door.counters.name), ("address", &socket.local_addr()?)]);
    let (mut datagram, mut scratch) = (vec![0; CHUNK_BYTES], Scratch::default());
    while !door.stop.is_asked() {
        door.stop.wait([socket as &dyn AsFd], None)?;
        // Also when it ends: they have come.
        while !door.stop.is_over() {
            match socket.recv_from(&mut datagram) {
                Ok((length, peer)) => {
                    take(door, line_bytes_max, &datagram[..length], &peer.to_string(), &mut scratch);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // What was sent from here to nobody: nothing is.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionRefused) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn take(door: &Door, line_bytes_max: usize, datagram: &[u8], peer: &str, scratch: &mut Scratch) {
    let (mapping, origin) = (door.mapping(), Origin { peer, ..Origin::default() });
    let mut take = |line: Line<'_>, _| door.take(line, &mapping, origin, scratch);
    // RFC 5426: one message in a datagram, and it may have more than one line.
    if mapping.format == Format::Syslog {
        let message = datagram.trim_ascii_end();
        if message.len() > line_bytes_max {
            take(Line::TooLong(message.len() as u64), 0);
        } else if !message.is_empty() {
            take(Line::Whole(message), 0);
        }
        return;
    }
    let mut lines = Lines::new(line_bytes_max);
    lines.feed(datagram, &mut take);
    lines.end(&mut take);
}
