//! One producer under test: both planes, and the driver that carries between them and to the network, as a front-end's
//! does. Its reads and writes stop anywhere.

mod sockets;

use std::collections::BTreeMap;

use felice_core::accumulator::{self, Accumulator, AccumulatorTables, BatchSlot};
use felice_core::error::AppendError;
use felice_core::event::{Completed, Event};
use felice_core::id::{Ticket, TopicId};
use felice_core::record::{Placement, Record};
use felice_core::sasl::Token;
use felice_core::sender::{self, InFlightSlot, Sender, SenderTables};
use felice_core::time::{Instant, Timestamp, earliest};
use felice_core::{BrokerSlot, TopicSlot};
use felice_host::{Codecs, Wanted};

use super::agenda::{self, Agenda};
use super::dice::Dice;
use super::network::Network;
use super::oracle::{Accepted, Oracle, Outcome};
use super::plan::ClientPlan;
use super::sasl::TOKEN;
use super::storage::{SimBlock, SimStorage, table};
use super::trace::Trace;

/// Partitions that a client can know.
const KNOWN_MAX: usize = 256;
/// Turns in a row that may change nothing, at one moment, before it counts as a busy loop.
const IDLE_TURNS_MAX: u32 = 50;

/// What a client needs of the world.
pub(super) struct Surroundings<'w> {
    pub(super) now: u64,
    pub(super) agenda: &'w mut Agenda,
    pub(super) network: &'w mut Network,
    pub(super) oracle: &'w mut Oracle,
    pub(super) trace: &'w mut Trace,
    /// Whether topics may be made anew.
    pub(super) topics_change: bool,
    /// Whether things still go wrong.
    pub(super) stormy: bool,
    /// Which broker listens at an address.
    pub(super) addresses: &'w BTreeMap<(String, u16), i32>,
}

/// The producer.
pub(super) struct Client {
    pub(super) index: usize,
    pub(super) plan: ClientPlan,
    dice: Dice,
    accumulator: Accumulator<SimStorage>,
    sender: Sender<SimStorage>,
    topics: Vec<String>,
    mirrored: usize,
    /// By the connection's slot: the link.
    sockets: BTreeMap<u16, usize>,
    /// Sockets that took no more, and whoever waits for that.
    blocked: BTreeMap<u16, usize>,
    /// When the next turn is on the agenda.
    turn_at: Option<u64>,
    last_turn: u64,
    idle_turns: u32,
    /// Until when its driver is not given a processor.
    pub(super) asleep_until: u64,
    closed_at: Option<u64>,
    given_up: bool,
    blocks_out: u32,
    /// Records that were refused, for now or for ever.
    pub(super) refused: u64,
    /// The n-th write from now on takes only so many bytes.
    pub(super) short_write: Option<(u64, usize)>,
}

impl Client {
    pub(super) fn new(index: usize, plan: ClientPlan, dice: Dice, servers: &[(String, u16)]) -> Self {
        let topics_max = 8;
        let ClientPlan { batches, partitions_max, .. } = plan;
        let brokers_max = servers.len() + 8;
        let tables = AccumulatorTables {
            topics: table(topics_max, accumulator::TopicSlot::default),
            names: table(topics_max * 16, u8::default),
            partitions: table(partitions_max, accumulator::PartitionSlot::default),
            index: table(partitions_max * 2, u32::default),
            batches: table(batches, BatchSlot::default),
            brokers: table(brokers_max, accumulator::BrokerSlot::default),
            leaders: table(KNOWN_MAX, u16::default),
        };
        let mut plane = Accumulator::new(plan.accumulator, tables);
        for _ in 0..plan.blocks {
            assert!(plane.add_block(SimBlock::new(plan.block_bytes)).is_ok());
        }
        let tables = SenderTables {
            brokers: table(brokers_max, || BrokerSlot::EMPTY),
            topics: table(topics_max, || TopicSlot::EMPTY),
            names: table(topics_max * 16, u8::default),
            leaders: table(KNOWN_MAX, u32::default),
            partitions: table(partitions_max, || sender::SenderPartitionSlot::EMPTY),
            partition_index: table(partitions_max * 2, u32::default),
            batches: table(batches, || InFlightSlot::EMPTY),
            heads: table(sender::HEADS_BYTES_MIN, u8::default),
            codec: Codecs::new(&Wanted::one(plan.sender.compression, plan.sender.request_bytes_max)),
        };
        let mut control = Sender::new(plan.sender, "simulated", tables);
        for _ in 0..plan.sender_blocks() {
            assert!(control.add_block(SimBlock::new(plan.block_bytes)).is_ok());
        }
        for (host, port) in servers {
            assert!(control.add_bootstrap(host, *port));
        }
        if let Some(proof) = plan.sasl {
            assert!(control.set_sasl(proof.tables(brokers_max)));
        }
        Self {
            index,
            plan,
            dice,
            accumulator: plane,
            sender: control,
            topics: Vec::new(),
            mirrored: 0,
            sockets: BTreeMap::new(),
            blocked: BTreeMap::new(),
            turn_at: None,
            last_turn: 0,
            idle_turns: 0,
            asleep_until: 0,
            closed_at: None,
            given_up: false,
            blocks_out: 0,
            refused: 0,
            short_write: None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed_at.is_some()
    }

    /// A user sends a record. What is refused leaves nothing behind.
    pub(super) fn send(
        &mut self,
        around: &mut Surroundings<'_>,
        topic: &str,
        partition: Option<i32>,
        key: Option<u64>,
        value: Vec<u8>,
        timestamp: Timestamp,
    ) -> Result<(), AppendError> {
        let id = self.accumulator.topic(topic).expect("there is room for every topic");
        if usize::from(id.0) == self.topics.len() {
            self.topics.push(topic.to_owned());
            self.wake(around);
        }
        let key_bytes = key.map(u64::to_be_bytes);
        let placement = match (partition, key) {
            (Some(partition), _) => Placement::Partition(partition),
            (None, Some(key)) => Placement::Hash(key as u32),
            (None, None) => Placement::Any,
        };
        let record = Record {
            topic: id,
            placement,
            key: key_bytes.as_ref().map(|key| &key[..]),
            value: Some(&value),
            headers: &[],
            timestamp,
        };
        // Whoever waits for a lock comes with a clock that is a little late.
        let now = around.now.saturating_sub(self.dice.below(100));
        let before = self.counts();
        match self.accumulator.append(Instant::from_micros(now), &record) {
            Ok(appended) => {
                let number = around.oracle.next();
                around.trace.line(
                    around.now,
                    format_args!(
                        "client {}: record {number} to {topic}, {placement:?}, {:?}",
                        self.index, appended.ticket
                    ),
                );
                let due = around.now + self.plan.sender.delivery_timeout.as_micros() as u64;
                let accepted = Accepted {
                    client: self.index,
                    topic: topic.to_owned(),
                    partition,
                    key,
                    value,
                    timestamp: timestamp.as_millis(),
                    at: now,
                    due,
                    outcome: None,
                };
                around.oracle.accepted(appended.ticket, accepted);
                if appended.wake {
                    self.wake(around);
                }
                Ok(())
            }
            Err(error) => {
                assert_eq!(before, self.counts(), "{error:?} left something behind");
                self.refused += 1;
                around.trace.line(around.now, format_args!("client {}: refused, {error}", self.index));
                self.wake(around);
                Err(error)
            }
        }
    }

    fn counts(&self) -> (u32, u32, u32) {
        (
            self.accumulator.free_blocks(),
            self.accumulator.held_batches(),
            self.accumulator.partitions_in_use(),
        )
    }

    pub(super) fn flush(&mut self, around: &mut Surroundings<'_>) {
        around.trace.line(around.now, format_args!("client {}: flush", self.index));
        self.accumulator.flush();
        self.wake(around);
    }

    /// No record more; what is left after `timeout_us` fails.
    pub(super) fn close(&mut self, around: &mut Surroundings<'_>, timeout_us: u64) {
        around.trace.line(around.now, format_args!("client {}: close within {timeout_us} us", self.index));
        self.accumulator.close();
        self.closed_at = Some(around.now + timeout_us);
        self.wake(around);
    }

    /// The driver is woken: it runs a little later.
    fn wake(&mut self, around: &mut Surroundings<'_>) {
        let at = around.now + self.dice.below(self.plan.wake_us) + 1;
        self.schedule(around, at);
    }

    fn schedule(&mut self, around: &mut Surroundings<'_>, at: u64) {
        if self.turn_at.is_none_or(|due| at < due) {
            self.turn_at = Some(at);
            around.agenda.add(at, agenda::Event::Turn(self.index));
        }
    }

    /// The agenda says that a turn may be due.
    pub(super) fn handle_turn(&mut self, around: &mut Surroundings<'_>) {
        if self.turn_at != Some(around.now) {
            return;
        }
        self.turn_at = None;
        if self.asleep_until > around.now {
            self.schedule(around, self.asleep_until);
        } else {
            self.turn(around);
        }
    }

    /// Does everything that can be done now.
    pub(super) fn turn(&mut self, around: &mut Surroundings<'_>) {
        let now = Instant::from_micros(around.now);
        if self.sender.poll_timeout().is_some_and(|due| due <= now) {
            self.sender.handle_timeout(now);
        }
        let mut busy = true;
        while busy {
            busy = self.drain_events(around);
            busy |= self.exchange(around, now);
            self.give_up_when_due(around, now);
        }
        self.plan_next_turn(around, now);
        self.check();
    }

    fn give_up_when_due(&mut self, around: &mut Surroundings<'_>, now: Instant) {
        if !self.given_up && self.closed_at.is_some_and(|at| at <= around.now) {
            self.given_up = true;
            self.accumulator.abandon();
            self.sender.close(now);
            while self.drain_events(around) | self.exchange(around, now) {}
        }
    }

    /// When the machine must run again although nothing else happens.
    fn plan_next_turn(&mut self, around: &mut Surroundings<'_>, now: Instant) {
        let closing = self.closed_at.filter(|_| !self.given_up).map(Instant::from_micros);
        let due = earliest(earliest(self.accumulator.poll_timeout(), self.sender.poll_timeout()), closing);
        let Some(due) = due else { return };
        let at = if due <= now {
            // What is due must be done by being done: not for ever.
            self.idle_turns = if self.last_turn == around.now { self.idle_turns + 1 } else { 0 };
            assert!(self.idle_turns < IDLE_TURNS_MAX, "client {}: due at {due:?}, for ever", self.index);
            around.now
        } else {
            due.as_micros()
        };
        self.last_turn = around.now;
        self.schedule(around, at);
    }

    /// The sender's events. Whether there were any.
    fn drain_events(&mut self, around: &mut Surroundings<'_>) -> bool {
        let mut any = false;
        while let Some(event) = self.sender.poll_event() {
            any = true;
            match event {
                Event::Connect(connection) => self.connect(around, connection),
                Event::Disconnect(connection) => {
                    around
                        .trace
                        .line(around.now, format_args!("client {}: closes {connection:?}", self.index));
                    self.forget(around, connection.slot);
                }
                Event::Transmit(connection) => self.write(around, connection),
                Event::Token(connection) => {
                    let token = Token::new(TOKEN, &[]).expect("visible characters");
                    let fails = self.plan.tokens_fail && around.stormy && self.dice.one_in(8);
                    let token = (!fails).then_some(&token);
                    // Where there is none its connection ends, and the next one asks again.
                    let _ = self.sender.handle_token(Instant::from_micros(around.now), connection, token);
                }
                Event::Ready(partition) => self.accumulator.allow(partition),
                Event::Topic(topic) => self.tell_topic(around, topic),
                Event::Broker { broker, available } => self.accumulator.handle_broker(broker, available),
                Event::CompressionRefused { topic, compression } => {
                    let name = &self.topics[usize::from(topic.0)];
                    around.trace.line(
                        around.now,
                        format_args!("client {}: {name} is plain, not {compression}", self.index),
                    );
                }
                Event::Numbering(_) | Event::Producer { .. } | Event::Transaction(_) => {}
                Event::Completed(completed) => self.complete(around, &completed),
                Event::Recycle { batch, partition, blocks } => {
                    self.blocks_out -= blocks.blocks();
                    self.accumulator.recycle(batch, partition, blocks);
                }
            }
        }
        any
    }

    fn tell_topic(&mut self, around: &mut Surroundings<'_>, topic: TopicId) {
        let view = self.sender.topic_view(topic);
        let name = &self.topics[usize::from(topic.0)];
        around.trace.line(around.now, format_args!("client {}: {name} is {view:?}", self.index));
        self.accumulator.handle_topic(topic, view);
        self.accumulator.handle_leaders(topic, 0, self.sender.leaders(topic, 0));
        self.accumulator.limit_batches(topic, self.sender.batch_bytes_max(topic));
    }

    fn complete(&mut self, around: &mut Surroundings<'_>, completed: &Completed) {
        let Completed { batch, partition, first, count, result } = *completed;
        around.trace.line(around.now, format_args!("client {}: {completed:?}", self.index));
        for index in first..first + count {
            let behind = i64::from(index - first);
            let result = result.map(|ack| if ack.base_offset < 0 { -1 } else { ack.base_offset + behind });
            let outcome = Outcome { partition: partition.partition, result };
            let times = (around.now, self.asleep_until);
            around.oracle.completed(&self.plan, self.index, Ticket { batch, index }, times, outcome);
        }
    }

    /// From one plane to the other. Whether anything moved.
    fn exchange(&mut self, around: &mut Surroundings<'_>, now: Instant) -> bool {
        let mut any = false;
        while self.mirrored < self.topics.len() {
            let topic = TopicId(self.mirrored as u16);
            assert!(self.sender.add_topic(now, topic, &self.topics[self.mirrored]));
            self.mirrored += 1;
            any = true;
        }
        // Moving in slices: what comes between finds half of it done.
        let mut slice = self.dice.between(1, 64);
        while slice > 0
            && let Some(reassigned) = self.accumulator.poll_reassigned()
        {
            slice -= 1;
            any = true;
            around.oracle.reassigned(self.index, reassigned.from, reassigned.to);
        }
        if self.is_closed() {
            self.accumulator.flush();
        }
        let mut slice = self.dice.between(1, 16);
        while slice > 0 {
            slice -= 1;
            let batch = if let Some(batch) = self.accumulator.poll_expired(now) {
                Some(batch)
            } else if let Some(partition) = self.accumulator.poll_ready(now) {
                any = true;
                if self.sender.reserve(now, partition) { self.accumulator.take(partition) } else { None }
            } else {
                break;
            };
            let Some(mut batch) = batch else { continue };
            any = true;
            batch.seal();
            self.blocks_out += batch.chain().map_or(0, felice_core::memory::Chain::blocks);
            self.sender.enqueue(now, batch);
        }
        self.sender.demand(!self.accumulator.is_empty());
        any
    }

    /// What must hold after every step.
    fn check(&self) {
        let accumulator = &self.accumulator;
        assert!(
            accumulator.free_blocks() + self.blocks_out <= accumulator.total_blocks(),
            "client {}: more blocks than were given",
            self.index
        );
        if accumulator.is_empty() {
            let all = accumulator.free_blocks() + self.blocks_out;
            assert_eq!(all, accumulator.total_blocks(), "client {}: a block is lost", self.index);
        }
    }

    /// Nothing is left: every block is back, and there is no timer but those of connections.
    pub(super) fn check_empty(&self) {
        assert!(self.accumulator.is_empty(), "client {}: {:?}", self.index, self.accumulator);
        assert_eq!(self.accumulator.free_blocks(), self.accumulator.total_blocks());
        assert_eq!(self.accumulator.poll_timeout(), None);
    }

    /// Whether everything has its outcome, and all memory is back.
    pub(super) fn is_done(&self) -> bool {
        self.accumulator.is_empty() && self.accumulator.out_batches() == 0
    }
}
