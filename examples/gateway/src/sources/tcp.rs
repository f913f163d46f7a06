//! Lines over TCP: one thread for all connections of a source. Nothing is read while the producer takes no more, so those who
//! send have to wait; no more connections are accepted than there may be.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::{AGAIN, CHUNK_BYTES};
use crate::intake::Door;
use crate::lines::{Line, Lines};
use crate::mapping::{Origin, Scratch};

/// A peer that is gone without a word has its place for two minutes at most.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

struct Connection {
    stream: TcpStream,
    peer: String,
    lines: Lines,
}

/// What one look at a connection has given.
enum Got {
    More,
    Nothing,
    Ended,
}

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub(super) fn run(
    door: &Door,
    line_bytes_max: usize,
    listener: &TcpListener,
    connections_max: usize,
) -> io::Result<()> {
    crate::log::info("listening", &[("source", &door.counters.name), ("address", &listener.local_addr()?)]);
    let (mut connections, mut chunk, mut scratch) = (Vec::new(), vec![0; CHUNK_BYTES], Scratch::default());
    let mut is_accepting = true;
    while !door.stop.is_asked() {
        let has_room = connections.len() < connections_max && is_accepting;
        let all = connections.iter().map(|connection: &Connection| &connection.stream as &dyn AsFd);
        let listening = has_room.then_some(listener as &dyn AsFd);
        let mut ready = door.stop.wait(all.chain(listening), (!is_accepting).then_some(AGAIN))?.into_iter();
        connections.retain_mut(|connection| {
            let is_ready = ready.next().unwrap_or(false);
            !(is_ready && matches!(read(door, connection, &mut chunk, &mut scratch), Got::Ended))
        });
        is_accepting = true;
        if has_room && ready.next().unwrap_or(false) {
            // Out of descriptors, most likely: it is tried again, a second later.
            is_accepting = accept(door, listener, line_bytes_max, &mut connections)
                .inspect_err(|error| log_accept(door, error))
                .is_ok();
        }
        door.counters.connections.store(connections.len() as u64, Ordering::Relaxed);
    }
    // What has come is acknowledged to its sender by TCP.
    for connection in &mut connections {
        while !door.stop.is_over() && matches!(read(door, connection, &mut chunk, &mut scratch), Got::More) {}
        door.cut_off(connection.lines.held());
    }
    door.counters.connections.store(0, Ordering::Relaxed);
    Ok(())
}

fn log_accept(door: &Door, error: &io::Error) {
    crate::log::warn("not_accepted", &[("source", &door.counters.name), ("problem", error)]);
}

/// One connection; the next one is ready still.
fn accept(
    door: &Door,
    listener: &TcpListener,
    line_bytes_max: usize,
    connections: &mut Vec<Connection>,
) -> io::Result<()> {
    let (stream, peer) = match listener.accept() {
        Ok(accepted) => accepted,
        // It has gone again.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::ConnectionAborted | ErrorKind::Interrupted
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    stream.set_nonblocking(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
    crate::log::info("connected", &[("source", &door.counters.name), ("peer", &peer)]);
    connections.push(Connection { stream, peer: peer.to_string(), lines: Lines::new(line_bytes_max) });
    Ok(())
}

fn read(door: &Door, connection: &mut Connection, chunk: &mut [u8], scratch: &mut Scratch) -> Got {
    let (mapping, Connection { stream, peer, lines }) = (door.mapping(), connection);
    let origin = Origin { peer, ..Origin::default() };
    let mut take = |line: Line<'_>, _| door.take(line, &mapping, origin, scratch);
    match stream.read(chunk) {
        Ok(0) => lines.end(&mut take),
        Ok(length) => {
            lines.feed(&chunk[..length], &mut take);
            return Got::More;
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            return Got::Nothing;
        }
        Err(error) => {
            crate::log::warn(
                "connection_broken",
                &[("source", &door.counters.name), ("peer", peer), ("problem", &error)],
            );
            door.cut_off(lines.held());
            lines.forget();
        }
    }
    Got::Ended
}
