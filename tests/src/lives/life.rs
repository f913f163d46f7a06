//! One life: a sender, its sockets, the spool's thread, and the driver between them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use felice_core::config::SenderConfig;
use felice_core::event::{Event, TopicView};
use felice_core::id::TopicId;
use felice_core::memory::Pool;
use felice_core::sender::{self, InFlightSlot, Sender, SenderTables};
use felice_core::spool::{
    FrameSlot, PartitionSlot, Recovered, SegmentSlot, Spool, SpoolConfig, SpoolTables, TopicName,
};
use felice_core::time::Instant;
use felice_core::{BrokerSlot, TopicSlot};
use felice_host::{Codecs, Wanted};

use super::disk::{Disk, Files};
use super::sockets::Socket;
use super::spooling::Spooling;
use super::writer::{Job, Writer};
use super::{PARTITIONS, Plan, TOPIC, World};
use crate::simulation::dice::Dice;
use crate::simulation::storage::{SimBlock, SimStorage, table};

pub(super) const BLOCK_BYTES: usize = 64;
/// In the calm everything must be done after so many rounds of 20 ms.
const ROUNDS_MAX: u32 = 5_000;

pub(super) struct Life {
    dice: Dice,
    pub(super) sender: Sender<SimStorage>,
    pub(super) sockets: Vec<Socket>,
    pub(super) spooling: Spooling,
    writer: Writer,
    disk: Rc<RefCell<Disk>>,
    padding: u64,
    /// No more is sent than is under way already.
    gave_up: bool,
}

fn sender(dice: &mut Dice, plan: &Plan) -> Sender<SimStorage> {
    let tables = SenderTables {
        brokers: table(6, || BrokerSlot::EMPTY),
        topics: table(1, || TopicSlot::EMPTY),
        names: table(16, u8::default),
        leaders: table(PARTITIONS, u32::default),
        partitions: table(PARTITIONS, || sender::SenderPartitionSlot::EMPTY),
        partition_index: table(PARTITIONS * 2, u32::default),
        batches: table(plan.hands, || InFlightSlot::EMPTY),
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
    assert!(sender.add_block(SimBlock::new(BLOCK_BYTES)).is_ok());
    sender
}

fn open(plan: &Plan, disk: &Rc<RefCell<Disk>>) -> (Spool<SimStorage, Files>, Recovered) {
    let config = SpoolConfig {
        segment_bytes: plan.segment_bytes,
        when_full: plan.when_full,
        new_id: [7; 16],
        machine: 1,
        boot: 1,
    };
    let tables = SpoolTables {
        segments: table(plan.segments, SegmentSlot::default),
        topics: table(1, TopicName::default),
        partitions: table(PARTITIONS, || PartitionSlot::EMPTY),
        index: table(PARTITIONS * 2, u32::default),
        frames: table(plan.hands, || FrameSlot::EMPTY),
    };
    Spool::open(Files(Rc::clone(disk)), config, tables).expect("the settings make sense")
}

/// How many frames whoever opens the spool finds.
pub(super) fn frames_left(plan: &Plan, disk: &Rc<RefCell<Disk>>) -> u64 {
    open(plan, disk).1.frames
}

impl Life {
    /// Finds what the life before has left.
    pub(super) fn begin(
        world: &mut World,
        mut dice: Dice,
        plan: &Plan,
        disk: &Rc<RefCell<Disk>>,
        sockets: Vec<Socket>,
    ) -> Self {
        let mut sender = sender(&mut dice, plan);
        let (spool, recovered) = open(plan, disk);
        world.say(format_args!("a life begins: {spool:?}, {recovered:?}"));
        let mut pool = Pool::new();
        for _ in 0..plan.blocks {
            assert!(pool.add(SimBlock::new(BLOCK_BYTES)).is_ok());
        }
        for broker in 1..=world.brokers {
            assert!(sender.add_bootstrap("broker", 9_000 + broker as u16));
        }
        assert!(sender.add_topic(Instant::from_micros(world.now_us), TopicId(0), TOPIC));
        let spooling = Spooling::new(plan.hands, spool.is_empty());
        let writer = Writer::new(spool, pool, plan);
        let disk = Rc::clone(disk);
        Self { dice, sender, sockets, spooling, writer, disk, padding: plan.padding, gave_up: false }
    }

    pub(super) fn now(world: &World) -> Instant {
        Instant::from_micros(world.now_us)
    }

    /// Whether its process, or its power, is gone.
    pub(super) fn is_over(&self) -> bool {
        self.disk.borrow().is_dead()
    }

    /// Something happens.
    pub(super) fn step(&mut self, world: &mut World) {
        match self.dice.below(100) {
            0..14 => self.arrive(world),
            14..36 => {
                let bytes = self.dice.magnitude(1, 2_000) as usize;
                if let Some(place) = self.any_socket() {
                    self.sockets[place].reach_broker(world, bytes);
                }
            }
            36..56 => {
                let bytes = self.dice.magnitude(1, 2_000) as usize;
                if let Some(place) = self.any_socket() {
                    self.reach_client(world, place, bytes);
                }
            }
            56..80 => {
                let jobs = self.dice.magnitude(1, 8) as usize;
                self.run_writer(world, jobs);
            }
            80..90 => {
                world.now_us += self.dice.magnitude(100, 1_000_000);
                self.disk.borrow_mut().failing.take_if(|_| world.disk_fails_until <= world.now_us);
            }
            90..93 => {
                if let Some(place) = self.any_socket() {
                    self.break_socket(world, place);
                }
            }
            93 => self.make_disk_fail(world),
            _ => self.make_trouble(world),
        }
        if !self.is_over() {
            self.turn(world);
        }
    }

    fn make_trouble(&mut self, world: &mut World) {
        let mut dice = self.dice.clone();
        if let Some(broker) = world.trouble(&mut dice) {
            self.stopped(world, broker);
        }
        self.dice = dice;
    }

    fn make_disk_fail(&mut self, world: &mut World) {
        if let Some(failing) = world.disk_trouble(&mut self.dice) {
            self.disk.borrow_mut().failing = Some(failing);
        }
    }

    /// A batch comes out of the accumulator, where there is room for it on the way.
    fn arrive(&mut self, world: &mut World) {
        if self.spooling.has_room() {
            let partition = self.dice.below(PARTITIONS as u64) as usize;
            let padding = self.dice.magnitude(1, self.padding) as usize;
            let time = world.wall();
            let batch = world.oracle.accept(partition, self.dice.between(1, 4), padding, time);
            world.say(format_args!("batch {batch} is accepted, for partition {partition}"));
            self.spooling.take();
            self.writer.jobs.push_back(Job::Append(batch));
        }
    }

    fn any_socket(&mut self) -> Option<usize> {
        let count = self.sockets.len() as u64;
        (count > 0).then(|| self.dice.below(count) as usize)
    }

    /// The spool's thread does something. What it would say behind its end nobody hears.
    fn run_writer(&mut self, world: &mut World, jobs: usize) {
        self.writer.run(world, jobs);
        if self.is_over() {
            self.writer.words.clear();
        }
    }

    /// Everything that can be done now: what the host's `Engine::turn` does.
    pub(super) fn turn(&mut self, world: &mut World) {
        let now = Self::now(world);
        if self.sender.poll_timeout().is_some_and(|due| due <= now) {
            self.sender.handle_timeout(now);
        }
        for word in std::mem::take(&mut self.writer.words) {
            self.spooling.hear(world, &mut self.sender, word);
        }
        loop {
            self.drain_events(world);
            self.spooling.name(&mut self.writer.jobs);
            self.sender.demand(self.spooling.is_wanted());
            self.spooling.feed(world, &mut self.sender);
            if !self.drain_events(world) {
                break;
            }
        }
        let held = self.writer.blocks() + self.spooling.blocks();
        assert!(held == self.writer.blocks_given() || self.gave_up, "{held} blocks of those that were given");
    }

    /// Sorts the sender's events. Whether there were any.
    fn drain_events(&mut self, world: &mut World) -> bool {
        let mut any = false;
        while let Some(event) = self.sender.poll_event() {
            any = true;
            match event {
                Event::Connect(id) => self.connect(world, id),
                Event::Disconnect(id) => self.forget(id),
                Event::Transmit(id) => self.write(world, id),
                Event::Ready(partition) => self.spooling.allow(partition),
                Event::Numbering(numbering) => {
                    world.say(format_args!("{numbering:?}"));
                    self.spooling.note(numbering);
                }
                Event::Transaction(_) => {}
                Event::Producer { partition, state, .. } => {
                    world.say(format_args!("{partition:?}: {state:?}"));
                    self.spooling.answer(partition, state, &mut self.writer.jobs);
                }
                Event::Completed(completed) => {
                    let withdrawn = self.spooling.completed(world, &completed, &mut self.writer.jobs);
                    if let Some(partition) = withdrawn.filter(|_| !self.gave_up) {
                        self.sender.withdraw(Self::now(world), partition);
                    }
                }
                Event::Recycle { batch, blocks, .. } => {
                    self.spooling.returned(batch, blocks, !self.gave_up, &mut self.writer.jobs);
                }
                Event::Topic(topic) => {
                    if let TopicView::Known { partitions } = self.sender.topic_view(topic) {
                        self.writer.jobs.push_back(Job::Topic { partitions });
                    }
                }
                Event::Broker { .. } => {}
                Event::Token(_) | Event::CompressionRefused { .. } => panic!("nobody has asked for it"),
            }
        }
        self.spooling.tell_numberings(&mut self.writer.jobs);
        any
    }

    /// Nothing goes wrong any more: everything comes to its end.
    pub(super) fn calm_down(&mut self, world: &mut World) {
        world.calm_down();
        self.disk.borrow_mut().failing = None;
        for round in 0..ROUNDS_MAX {
            for place in 0..self.sockets.len() {
                self.sockets[place].reach_broker(world, usize::MAX);
                self.reach_client(world, place, usize::MAX);
            }
            self.run_writer(world, usize::MAX);
            world.now_us += 20_000;
            self.turn(world);
            // A spool that was full takes new ones when the old ones are done.
            if round < 40 {
                self.arrive(world);
            } else if self.spooling.is_done() {
                world.oracle.report.calm_us = u64::from(round) * 20_000;
                assert_eq!(self.writer.blocks(), self.writer.blocks_given(), "of blocks");
                return;
            }
        }
        panic!("it stands still: {:?}", self.writer.spool());
    }

    /// It is closed, and has no time for what is under way. Whether it has ended: a spool that takes nothing holds it up.
    pub(super) fn close(&mut self, world: &mut World) -> bool {
        world.say(format_args!("it is closed"));
        self.gave_up = true;
        self.spooling.leave_unsent();
        self.sender.close(Self::now(world));
        for _ in 0..100 {
            if self.is_over() {
                return false;
            }
            self.turn(world);
            if self.spooling.is_settled() && !self.writer.closing {
                self.writer.jobs.push_back(Job::Close);
            }
            self.run_writer(world, usize::MAX);
            if self.writer.closing {
                return !self.is_over();
            }
            world.now_us += 20_000;
        }
        false
    }

    /// In the middle of something its process, or the power, is gone.
    pub(super) fn die(&mut self, world: &mut World) {
        self.disk.borrow_mut().die_in(self.dice.below(8));
        for _ in 0..30 {
            if self.is_over() {
                return;
            }
            self.step(world);
            self.run_writer(world, usize::MAX);
        }
    }

    /// It ends here. What is in its sockets stays there.
    pub(super) fn cut(self, world: &mut World) -> Vec<Socket> {
        for partition in &self.writer.unnoted {
            world.oracle.loosen(*partition);
        }
        self.sockets.into_iter().filter_map(Socket::adrift).collect()
    }
}
