//! The client's side of the network: connections that are made and lost, reads and writes that stop anywhere.

use felice_core::error::{Disconnect, ProtocolError};
use felice_core::id::ConnectionId;
use felice_core::time::Instant;

use super::{Client, Surroundings};
use crate::simulation::network::{NOBODY, Piece, State};

impl Client {
    pub(super) fn connect(&mut self, around: &mut Surroundings<'_>, connection: ConnectionId) {
        let address = self.sender.address(connection).expect("a connection that is asked for has an address");
        let place = (address.host.to_owned(), address.port);
        let broker_id = around.addresses.get(&place).copied().unwrap_or(NOBODY);
        self.forget(around, connection.slot);
        let link = around.network.connect(around.now, around.agenda, self.index, connection, broker_id);
        let found = around.network.links[link].broker_id;
        around.trace.line(
            around.now,
            format_args!("client {}: {connection:?} to {}:{}, broker {found}", self.index, place.0, place.1),
        );
        self.sockets.insert(connection.slot, link);
    }

    /// Lets a socket go.
    pub(super) fn forget(&mut self, around: &mut Surroundings<'_>, slot: u16) {
        self.blocked.remove(&slot);
        if let Some(link) = self.sockets.remove(&slot) {
            around.network.links[link].state = State::Closed;
        }
    }

    fn is_current(&self, around: &Surroundings<'_>, link: usize) -> bool {
        let slot = around.network.links[link].connection.slot;
        self.sockets.get(&slot) == Some(&link)
    }

    /// An attempt to connect has its result.
    pub(in crate::simulation) fn handle_connect(
        &mut self,
        around: &mut Surroundings<'_>,
        link: usize,
        result: Result<(), Disconnect>,
    ) {
        if !self.is_current(around, link) {
            return;
        }
        let now = Instant::from_micros(around.now);
        let connection = around.network.links[link].connection;
        around.trace.line(around.now, format_args!("client {}: {connection:?} {result:?}", self.index));
        match result {
            Ok(()) => {
                around.network.open(link);
                self.sender.handle_connected(now, connection);
            }
            Err(cause) => {
                self.forget(around, connection.slot);
                self.sender.handle_disconnected(now, connection, cause);
            }
        }
        self.turn(around);
    }

    /// Bytes, or the end, have come.
    pub(in crate::simulation) fn handle_arrival(&mut self, around: &mut Surroundings<'_>, link: usize) {
        let now = Instant::from_micros(around.now);
        while let Some(piece) = around.network.links[link].to_client.arrived(around.now) {
            if !self.is_current(around, link) {
                return;
            }
            let connection = around.network.links[link].connection;
            match piece {
                Piece::Bytes(bytes) => self.read(around, connection, &bytes),
                Piece::End(cause) => {
                    around.trace.line(
                        around.now,
                        format_args!("client {}: {connection:?} ended, {cause}", self.index),
                    );
                    self.forget(around, connection.slot);
                    self.sender.handle_disconnected(now, connection, cause);
                }
            }
            self.turn(around);
        }
    }

    fn read(&mut self, around: &mut Surroundings<'_>, connection: ConnectionId, mut bytes: &[u8]) {
        let now = Instant::from_micros(around.now);
        while !bytes.is_empty() {
            let length = (self.dice.between(1, self.plan.read_bytes_max) as usize).min(bytes.len());
            let (piece, rest) = bytes.split_at(length);
            bytes = rest;
            match self.sender.handle_received(now, connection, piece) {
                Ok(taken) => assert_eq!(taken, piece.len(), "the machine takes all"),
                // It was closed by what came before, and the driver has not heard of it yet.
                Err(ProtocolError::NotConnected) => return,
                // The topic was made anew twice since the request: nobody remembers that id. The connection is closed.
                Err(ProtocolError::UnexpectedPartition) if around.topics_change => return self.turn(around),
                Err(error) => panic!("client {}: the broker answers properly, {error}", self.index),
            }
            if self.dice.one_in(3) {
                self.turn(around);
            }
            // The turn may have closed it.
            if self
                .sockets
                .get(&connection.slot)
                .is_none_or(|link| around.network.links[*link].connection != connection)
            {
                return;
            }
        }
    }

    /// Room in a socket's buffer: what waited for it is written.
    pub(in crate::simulation) fn handle_room(&mut self, around: &mut Surroundings<'_>, link: usize) {
        let connection = around.network.links[link].connection;
        if self.is_current(around, link) && self.blocked.remove(&connection.slot).is_some() {
            self.write(around, connection);
            self.turn(around);
        }
    }

    pub(super) fn write(&mut self, around: &mut Surroundings<'_>, connection: ConnectionId) {
        let now = Instant::from_micros(around.now);
        let Some(link) = self.sockets.get(&connection.slot).copied() else { return };
        loop {
            let room = self.plan.window.saturating_sub(around.network.links[link].to_broker.bytes);
            let Some(transmit) = self.sender.poll_transmit(now, connection) else { return };
            if room == 0 {
                self.blocked.insert(connection.slot, link);
                return;
            }
            let mut chunks: [&[u8]; 8] = [&[]; 8];
            let count = transmit.chunks(&mut chunks);
            assert!(count > 0, "a transmit has something to write");
            let mut bytes = chunks[..count].concat();
            bytes.truncate(room);
            if self.dice.one_in(8) {
                bytes.truncate(1 + self.dice.below(bytes.len() as u64) as usize);
            }
            match &mut self.short_write {
                Some((1, length)) => {
                    bytes.truncate(*length);
                    self.short_write = None;
                }
                Some((left, _)) => *left -= 1,
                None => {}
            }
            let length = bytes.len();
            around.network.send_to_broker(around.now, around.agenda, link, Piece::Bytes(bytes));
            self.sender.handle_transmitted(now, connection, length);
        }
    }
}
