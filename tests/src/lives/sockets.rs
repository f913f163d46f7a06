//! A life's sockets: what is in them reaches a broker later, or never, also when the life is over.

use std::collections::VecDeque;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;

use super::World;
use super::life::Life;
use crate::cluster::{Connection, Progress};

/// A socket, from the client to its broker.
#[derive(Debug)]
pub(super) struct Socket {
    /// None once the client has left it: what is in it may still be read.
    id: Option<ConnectionId>,
    broker: i32,
    connection: Connection,
    to_broker: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// The broker has closed it.
    closed: bool,
}

impl Socket {
    /// The broker reads so many bytes, and does what they say.
    pub(super) fn reach_broker(&mut self, world: &mut World, bytes: usize) {
        let taken: Vec<u8> = self.to_broker.drain(..bytes.min(self.to_broker.len())).collect();
        self.connection.push(&taken);
        let mut output = Vec::new();
        let now_us = world.wall_us();
        let before = world.cluster.requests().total();
        self.closed |= self.connection.advance(&mut world.cluster, now_us, &mut output) == Progress::Closed;
        self.to_client.extend(output);
        world.say_requests(self.broker, before);
    }

    /// The life is over. What the broker has not read yet is on its way.
    pub(super) fn adrift(mut self) -> Option<Self> {
        self.id = None;
        (!self.to_broker.is_empty()).then_some(self)
    }
}

impl Life {
    pub(super) fn connect(&mut self, world: &World, id: ConnectionId) {
        let Some(address) = self.sender.address(id) else { return };
        let broker = i32::from(address.port) - 9_000;
        if !world.cluster.is_up(broker) {
            return self.sender.handle_disconnected(Self::now(world), id, Disconnect::Refused);
        }
        self.sockets.push(Socket {
            id: Some(id),
            broker,
            connection: Connection::new(broker),
            to_broker: VecDeque::new(),
            to_client: VecDeque::new(),
            closed: false,
        });
        self.sender.handle_connected(Self::now(world), id);
    }

    pub(super) fn write(&mut self, world: &World, id: ConnectionId) {
        let now = Self::now(world);
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == Some(id)) else { return };
        while let Some(transmit) = self.sender.poll_transmit(now, id) {
            let mut chunks: [&[u8]; 9] = [&[]; 9];
            let count = transmit.chunks(&mut chunks);
            let mut bytes = 0;
            for chunk in &chunks[..count] {
                socket.to_broker.extend(*chunk);
                bytes += chunk.len();
            }
            self.sender.handle_transmitted(now, id, bytes);
        }
    }

    pub(super) fn reach_client(&mut self, world: &World, place: usize, bytes: usize) {
        let socket = &mut self.sockets[place];
        let Some(id) = socket.id else { return };
        let taken: Vec<u8> = socket.to_client.drain(..bytes.min(socket.to_client.len())).collect();
        if !taken.is_empty() {
            let _ = self.sender.handle_received(Self::now(world), id, &taken);
        } else if socket.closed {
            self.break_socket(world, place);
        }
    }

    /// The client has closed it.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.sockets.iter_mut().filter(|socket| socket.id == Some(id)).for_each(|socket| socket.id = None);
    }

    /// The client hears that the connection is gone; the broker may read on.
    pub(super) fn break_socket(&mut self, world: &World, place: usize) {
        if let Some(id) = self.sockets[place].id.take() {
            self.sender.handle_disconnected(Self::now(world), id, Disconnect::Closed);
        }
    }

    /// A broker has stopped, and with it goes what it has not read.
    pub(super) fn stopped(&mut self, world: &World, broker: i32) {
        while let Some(place) = self.sockets.iter().position(|socket| socket.broker == broker) {
            self.break_socket(world, place);
            self.sockets.swap_remove(place);
        }
    }
}
