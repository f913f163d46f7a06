//! One life: a sender, its sockets, and its driver.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use felice_core::batch::Batch;
use felice_core::config::SenderConfig;
use felice_core::error::Disconnect;
use felice_core::event::{Event, Numbering, ProducerState};
use felice_core::id::{BatchId, ConnectionId, TopicId, TopicPartition};
use felice_core::memory::OpenChain;
use felice_core::sender::{self, InFlightSlot, Sender, SenderTables};
use felice_core::time::{Instant, Timestamp};
use felice_core::{BrokerSlot, TopicSlot};
use felice_host::{Codecs, Wanted};

use super::spool::{Due, Spool};
use super::{PARTITIONS, TOPIC, Way, World};
use crate::cluster::Connection;
use crate::simulation::dice::Dice;
use crate::simulation::storage::{SimBlock, SimStorage, table};

const BATCHES: usize = 64;
/// In the calm everything must be done after so many rounds.
const ROUNDS_MAX: u32 = 5_000;

/// A socket, from the client to its broker.
#[derive(Debug)]
pub(super) struct Socket {
    /// None once the client has left it: what is in it may still be read.
    id: Option<ConnectionId>,
    broker: i32,
    connection: Connection,
    to_broker: VecDeque<u8>,
    to_client: VecDeque<u8>,
}

impl Socket {
    /// The broker reads so many bytes, and does what they say.
    pub(super) fn reach_broker(&mut self, world: &mut World, bytes: usize) {
        let taken: Vec<u8> = self.to_broker.drain(..bytes.min(self.to_broker.len())).collect();
        self.connection.push(&taken);
        let mut output = Vec::new();
        let now_us = world.wall_us();
        let _ = self.connection.advance(&mut world.cluster, now_us, &mut output);
        self.to_client.extend(output);
    }
}

pub(super) struct Life {
    number: u32,
    dice: Dice,
    sender: Sender<SimStorage>,
    sockets: Vec<Socket>,
    /// What each partition has to hand over, and whether the sender may take it.
    due: [VecDeque<Due>; PARTITIONS],
    ready: [bool; PARTITIONS],
    /// It waits for the leader's word.
    asking: [bool; PARTITIONS],
    /// By the batch's slot: what is with the sender.
    held: BTreeMap<usize, (usize, Due)>,
    next_batch: u16,
    /// Numberings that are being written down.
    notes: VecDeque<Numbering>,
    /// Brokers that are down.
    down: Vec<i32>,
}

fn key(partition: usize) -> TopicPartition {
    TopicPartition { topic: TopicId(0), partition: partition as i32 }
}

impl Life {
    pub(super) fn new(number: u32, mut dice: Dice, sockets: Vec<Socket>) -> Self {
        let tables = SenderTables {
            brokers: table(6, || BrokerSlot::EMPTY),
            topics: table(1, || TopicSlot::EMPTY),
            names: table(16, u8::default),
            leaders: table(PARTITIONS, u32::default),
            partitions: table(PARTITIONS, || sender::SenderPartitionSlot::EMPTY),
            partition_index: table(PARTITIONS * 2, u32::default),
            batches: table(BATCHES, || InFlightSlot::EMPTY),
            heads: table(sender::HEADS_BYTES_MIN, u8::default),
            codec: Codecs::new(&Wanted::one(felice_core::compression::Compression::None, 1 << 16)),
        };
        let config = SenderConfig {
            notes_numberings: true,
            delivery_timeout: Duration::MAX,
            request_timeout: Duration::from_secs(2),
            in_flight_max: dice.between(1, 5) as u8,
            seed: dice.next(),
            ..SenderConfig::default()
        };
        let mut sender = Sender::new(config, "a life", tables);
        assert!(sender.add_block(SimBlock::new(64)).is_ok());
        Self {
            number,
            dice,
            sender,
            sockets,
            due: std::array::from_fn(|_| VecDeque::new()),
            ready: [true; PARTITIONS],
            asking: [false; PARTITIONS],
            held: BTreeMap::new(),
            next_batch: 0,
            notes: VecDeque::new(),
            down: Vec::new(),
        }
    }

    /// Finds what the life before has left.
    pub(super) fn begin(&mut self, world: &mut World, spool: &mut Spool) {
        for broker in 1..=world.brokers {
            assert!(self.sender.add_bootstrap("broker", 9_000 + broker as u16));
        }
        let now = self.now(world);
        assert!(self.sender.add_topic(now, TopicId(0), TOPIC));
        self.sender.demand(true);
        for partition in 0..PARTITIONS {
            match spool.noted_producer(partition).filter(|_| spool.way == Way::Probe) {
                Some(id) => {
                    assert!(self.sender.ask_producer(now, key(partition), id));
                    self.asking[partition] = true;
                }
                None => self.plan(spool, partition, None),
            }
        }
        self.turn(world, spool);
    }

    fn plan(&mut self, spool: &mut Spool, partition: usize, state: Option<ProducerState>) {
        self.asking[partition] = false;
        self.due[partition] = spool.due(partition, state);
        let resumed = self.due[partition].iter().filter(|due| due.numbers.is_some()).count();
        spool.report.resumed += resumed as u64;
    }

    fn now(&self, world: &World) -> Instant {
        Instant::from_micros(world.now_us)
    }

    /// Something happens.
    pub(super) fn step(&mut self, world: &mut World, spool: &mut Spool) {
        match self.dice.below(100) {
            0..12 => self.arrive(spool),
            12..45 => {
                let bytes = self.dice.magnitude(1, 2_000) as usize;
                if let Some(place) = self.any_socket() {
                    self.sockets[place].reach_broker(world, bytes);
                }
            }
            45..75 => {
                let bytes = self.dice.magnitude(1, 2_000) as usize;
                if let Some(place) = self.any_socket() {
                    self.reach_client(world, place, bytes);
                }
            }
            75..85 => {
                world.now_us += self.dice.magnitude(100, 1_000_000);
                self.sender.handle_timeout(self.now(world));
            }
            85..92 => self.write_note(world, spool),
            92..94 => spool.settle(),
            94..96 => {
                if let Some(place) = self.any_socket() {
                    self.break_socket(world, place);
                }
            }
            96..98 => {
                let broker = self.dice.between(1, world.brokers as u64) as i32;
                self.stop(world, broker);
            }
            _ => self.start(world),
        }
        self.turn(world, spool);
    }

    fn arrive(&mut self, spool: &mut Spool) {
        let partition = self.dice.below(PARTITIONS as u64) as usize;
        spool.write(partition, self.dice.between(1, 4));
        if !self.asking[partition] {
            let frame = spool.partitions[partition].frames.len() - 1;
            self.due[partition].push_back(Due { frame, numbers: None, cut: false });
        }
    }

    fn any_socket(&mut self) -> Option<usize> {
        let count = self.sockets.len() as u64;
        (count > 0).then(|| self.dice.below(count) as usize)
    }

    fn reach_client(&mut self, world: &World, place: usize, bytes: usize) {
        let socket = &mut self.sockets[place];
        let Some(id) = socket.id else { return };
        let taken: Vec<u8> = socket.to_client.drain(..bytes.min(socket.to_client.len())).collect();
        if !taken.is_empty() {
            let _ = self.sender.handle_received(Instant::from_micros(world.now_us), id, &taken);
        }
    }

    /// The client hears that the connection is gone; the broker may read on.
    fn break_socket(&mut self, world: &World, place: usize) {
        if let Some(id) = self.sockets[place].id.take() {
            self.sender.handle_disconnected(Instant::from_micros(world.now_us), id, Disconnect::Closed);
        }
    }

    /// A broker stops, and with it goes what it has not read.
    fn stop(&mut self, world: &mut World, broker: i32) {
        if self.down.contains(&broker) || !world.cluster.is_up(broker) {
            return;
        }
        world.cluster.stop_broker(broker);
        self.down.push(broker);
        while let Some(place) = self.sockets.iter().position(|socket| socket.broker == broker) {
            self.break_socket(world, place);
            self.sockets.swap_remove(place);
        }
    }

    fn start(&mut self, world: &mut World) {
        for broker in 1..=world.brokers {
            if !world.cluster.is_up(broker) {
                world.cluster.start_broker(broker);
            }
        }
        self.down.clear();
    }

    fn write_note(&mut self, world: &World, spool: &mut Spool) {
        let Some(numbering) = self.notes.pop_front() else { return };
        let partition = numbering.partition.partition as usize;
        // One whose first batch is gone is not worth the ink.
        if let Some((_, due)) = self.held.get(&numbering.first.slot()) {
            spool.note(partition, numbering, due.frame, self.number);
        }
        self.sender.handle_noted(self.now(world), numbering);
    }

    /// Everything that the sender asks for is done, and all is handed over that it takes.
    fn turn(&mut self, world: &mut World, spool: &mut Spool) {
        loop {
            let handed = (0..PARTITIONS).any(|partition| self.hand_over(world, spool, partition));
            let Some(event) = self.sender.poll_event() else {
                if handed {
                    continue;
                }
                return;
            };
            match event {
                Event::Connect(id) => self.connect(world, id),
                Event::Disconnect(id) => {
                    for socket in self.sockets.iter_mut().filter(|socket| socket.id == Some(id)) {
                        socket.id = None;
                    }
                }
                Event::Transmit(id) => self.write(world, id),
                Event::Ready(partition) => self.ready[partition.partition as usize] = true,
                Event::Numbering(numbering) => self.notes.push_back(numbering),
                Event::Producer { partition, state, .. } => {
                    self.plan(spool, partition.partition as usize, Some(state));
                }
                Event::Completed(completed) => {
                    let (partition, due) = self.held[&completed.batch.slot()];
                    let ack = completed.result.unwrap_or_else(|failure| panic!("{due:?}: {failure}"));
                    spool.acknowledged(partition, due, ack);
                }
                Event::Recycle { batch, .. } => _ = self.held.remove(&batch.slot()),
                Event::Topic(_) | Event::Broker { .. } => {}
                Event::Token(_) | Event::CompressionRefused { .. } => panic!("nobody has asked for it"),
            }
        }
    }

    /// Hands a batch over, where there is one and the sender takes it.
    fn hand_over(&mut self, world: &World, spool: &mut Spool, partition: usize) -> bool {
        let now = self.now(world);
        let Some(&due) = self.due[partition].front().filter(|_| self.ready[partition]) else { return false };
        if self.held.len() >= BATCHES {
            return false;
        }
        self.ready[partition] = self.sender.reserve(now, key(partition));
        if !self.ready[partition] {
            return false;
        }
        self.due[partition].pop_front();
        let batch = self.batch(now, spool, partition, due);
        spool.handed(partition, due.frame, self.number);
        match due.numbers {
            Some(numbers) => self.sender.resume(now, batch, numbers),
            None => self.sender.enqueue(now, batch),
        }
        true
    }

    fn batch(&mut self, now: Instant, spool: &Spool, partition: usize, due: Due) -> Batch<SimBlock> {
        let slot = (0..BATCHES).find(|slot| !self.held.contains_key(slot)).expect("there is room");
        self.next_batch += 1;
        self.held.insert(slot, (partition, due));
        let frame = &spool.partitions[partition].frames[due.frame];
        let mut chain = OpenChain::new();
        for piece in frame.records.chunks(64) {
            chain.push(SimBlock::new(64));
            assert_eq!(chain.write(piece), piece.len());
        }
        let (id, time) = (BatchId::new(slot, self.next_batch), Timestamp::from_millis(1));
        Batch::restore(id, key(partition), now, chain.seal(), frame.values.len() as u32, time, time)
    }

    fn connect(&mut self, world: &World, id: ConnectionId) {
        let Some(address) = self.sender.address(id) else { return };
        let broker = i32::from(address.port) - 9_000;
        if !world.cluster.is_up(broker) {
            return self.sender.handle_disconnected(self.now(world), id, Disconnect::Refused);
        }
        self.sockets.push(Socket {
            id: Some(id),
            broker,
            connection: Connection::new(broker),
            to_broker: VecDeque::new(),
            to_client: VecDeque::new(),
        });
        self.sender.handle_connected(self.now(world), id);
    }

    fn write(&mut self, world: &World, id: ConnectionId) {
        let now = self.now(world);
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

    /// Nothing goes wrong any more: everything comes to its end.
    pub(super) fn calm_down(&mut self, world: &mut World, spool: &mut Spool) {
        self.start(world);
        for _ in 0..ROUNDS_MAX {
            for place in 0..self.sockets.len() {
                self.sockets[place].reach_broker(world, usize::MAX);
                self.reach_client(world, place, usize::MAX);
            }
            self.write_note(world, spool);
            world.now_us += 20_000;
            self.sender.handle_timeout(self.now(world));
            self.turn(world, spool);
            if spool.is_done() {
                return;
            }
        }
        panic!("it stands still: {:?}, {:?}, {:?}", self.due, self.held, self.notes);
    }

    /// It ends here. What is in its sockets stays there.
    pub(super) fn cut(self) -> Vec<Socket> {
        let mut sockets = self.sockets;
        sockets.iter_mut().for_each(|socket| socket.id = None);
        sockets.retain(|socket| !socket.to_broker.is_empty());
        sockets
    }
}
