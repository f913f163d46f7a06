//! The lives of a producer with a spool, one after the other, on one virtual clock and from one seed: each is cut at a random
//! moment, and the next one finishes what it finds.
//!
//! The spool is the real one, over a disk that loses, tears and reorders what was not synced when the power goes, and fails
//! now and then; around it is what the host does, step by step. What was in a life's sockets may be read by a broker later, while the
//! next life works, or never. Brokers restart, leaders move, connections break, answers are wrong or missing.
//!
//! What is shown: what was told to be durable is in the log once, in order, and where its acknowledgement says; what was not is
//! there at most once. It may be otherwise only where a broker has lost it, or what it knew of the producer; where the disk took no note of a
//! numbering; where it was dropped to make room, or failed for good, and was told so. No block is lost. When nothing goes wrong any
//! more everything comes to its end, and the spool is empty. The same seed gives the same run.

mod disk;
mod life;
mod oracle;
mod sockets;
mod spooling;
mod trouble;
mod writer;

use std::cell::RefCell;
use std::fmt::Arguments;
use std::rc::Rc;

use felice_core::spool::{SEGMENT_BYTES_MIN, WhenFull};
use felice_core::time::Timestamp;

use crate::cluster::{Cluster, ClusterConfig, TopicConfig};
use crate::protocol::ApiKey;
use crate::simulation::Trace;
use crate::simulation::dice::Dice;
use disk::Disk;
use life::{Life, frames_left};
use oracle::Oracle;
use sockets::Socket;
use trouble::Troubles;

/// The wall clock of the brokers at the beginning, in microseconds since 1970.
const EPOCH_US: u64 = 1_760_000_000_000_000;

/// More frames than the largest spool holds.
const HANDS_MANY: usize = 512;

const TOPIC: &str = "lives";
const PARTITIONS: usize = 2;

/// How a life finds out what is stored of what the one before has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It sends everything once more: brokers do not tell.
    Blind,
    /// It asks the leaders first, and begins with the last batch that they remember.
    Probe,
}

impl Way {
    /// As `simulate` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Probe => "probe",
        }
    }
}

/// What a run was like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Batches that were accepted.
    pub batches: u64,
    /// How many of them were told to be durable.
    pub durable: u64,
    /// Batches that were resumed, once for each time.
    pub resumed: u64,
    /// Batches that failed in a way that may pass, once for each time.
    pub put_back: u64,
    /// Batches that failed for good.
    pub failed: u64,
    /// Records that the spool dropped to make room, or for their age.
    pub dropped: u64,
    /// How often a batch found no room.
    pub full: u64,
    /// Operations of the disk that failed.
    pub disk_failed: u64,
    /// How often nobody could tell any more what a partition has.
    pub loosened: u64,
    /// Sockets that a life has left with something in them.
    pub adrift: u64,
    /// Lives that were killed, and whose power was gone, and that ended in order.
    pub ends: [u64; 3],
    /// How long the calm took, in virtual microseconds.
    pub calm_us: u64,
}

impl Report {
    /// Another run's, beside this one's. Of the calms the longest.
    pub fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.durable += other.durable;
        self.resumed += other.resumed;
        self.put_back += other.put_back;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.full += other.full;
        self.disk_failed += other.disk_failed;
        self.loosened += other.loosened;
        self.adrift += other.adrift;
        self.ends.iter_mut().zip(other.ends).for_each(|(sum, of)| *sum += of);
        self.calm_us = self.calm_us.max(other.calm_us);
    }
}

/// What a seed has decided for all lives.
#[derive(Debug, Clone, Copy)]
struct Plan {
    way: Way,
    segments: usize,
    segment_bytes: u32,
    when_full: WhenFull,
    sync_us: u64,
    max_age_us: Option<u64>,
    /// Frames that are with the sender, at the most, and blocks for their records.
    hands: usize,
    blocks: u32,
    /// Bytes of a value besides its name, at the most.
    padding: u64,
    gathered_max: usize,
}

impl Plan {
    /// Whether more may be in doubt than is with the sender at a time. Then nobody can tell which of them a broker has, where it is
    /// not asked.
    fn is_narrow(&self) -> bool {
        self.way == Way::Blind && self.hands < HANDS_MANY
    }

    fn new(dice: &mut Dice, way: Way) -> Self {
        Self {
            way,
            segments: dice.between(2, 6) as usize,
            segment_bytes: SEGMENT_BYTES_MIN,
            when_full: *dice.pick(&[WhenFull::RefuseNewest, WhenFull::RefuseNewest, WhenFull::DropOldest]),
            sync_us: *dice.pick(&[0, 1_000, 50_000, 500_000]),
            max_age_us: dice.one_in(6).then(|| dice.magnitude(1_000_000, 30_000_000)),
            hands: if way == Way::Blind && !dice.one_in(4) {
                HANDS_MANY
            } else {
                dice.magnitude(16, 64) as usize
            },
            blocks: if way == Way::Blind { 1_024 } else { dice.magnitude(64, 512) as u32 },
            padding: dice.magnitude(1, 800),
            gathered_max: *dice.pick(&[1, 300, 4_096, 65_536]),
        }
    }
}

/// Runs a seed.
///
/// # Panics
///
/// Where a promise is not kept.
pub fn run(seed: u64, way: Way, trace: Trace) -> (Report, Trace) {
    let mut dice = Dice::new(seed);
    let plan = Plan::new(&mut dice, way);
    let mut world = World::new(&mut dice, &plan, trace);
    let troubles = world.troubles;
    world.say(format_args!("{plan:?}, {troubles:?}"));
    let disk = Disk::new(dice.split(), plan.segments, plan.segment_bytes, plan.gathered_max);
    let disk = Rc::new(RefCell::new(disk));
    let lives = dice.between(2, 4);
    let mut sockets = Vec::new();
    for number in 1..=lives {
        sockets = live(&mut world, &mut dice, &plan, &disk, sockets, number == lives);
        world.oracle.report.adrift += sockets.len() as u64;
    }
    for mut socket in sockets {
        socket.reach_broker(&mut world, usize::MAX);
    }
    assert_eq!(frames_left(&plan, &disk), 0, "everything was done, and that was written down");
    world.oracle.judge(&world.cluster);
    world.oracle.report.disk_failed = disk.borrow().failed;
    (world.oracle.report, world.trace)
}

/// One life, from what the last one has left to what it leaves itself.
fn live(
    world: &mut World,
    dice: &mut Dice,
    plan: &Plan,
    disk: &Rc<RefCell<Disk>>,
    sockets: Vec<Socket>,
    is_last: bool,
) -> Vec<Socket> {
    let mut life = Life::begin(world, dice.split(), plan, disk, sockets);
    for _ in 0..dice.magnitude(30, 3_000) {
        if life.is_over() {
            break;
        }
        life.step(world);
    }
    let mut closed = false;
    if is_last {
        life.calm_down(world);
        closed = life.close(world);
        assert!(closed, "it closes");
    } else if dice.one_in(6) {
        closed = !life.is_over() && life.close(world);
    } else if dice.one_in(2) {
        life.die(world);
    }
    let sockets = life.cut(world);
    let end = if closed { 2 } else { dice.below(2) as usize };
    world.oracle.report.ends[end] += 1;
    world.say(format_args!("the life ends: {}", ["killed", "without power", "closed"][end]));
    if end != 1 {
        disk.borrow_mut().after_kill();
        return sockets;
    }
    disk.borrow_mut().after_cut();
    if plan.way == Way::Blind {
        world.oracle.lose_power();
    }
    sockets
}

/// The cluster, the clock, and whoever looks on.
struct World {
    cluster: Cluster,
    oracle: Oracle,
    trace: Trace,
    troubles: Troubles,
    now_us: u64,
    brokers: i32,
    disk_fails_until: u64,
}

impl World {
    fn new(dice: &mut Dice, plan: &Plan, trace: Trace) -> Self {
        let brokers = dice.between(1, 3) as i32;
        let mut cluster = Cluster::new(ClusterConfig { brokers, ..ClusterConfig::default() });
        for broker in 1..=brokers {
            cluster.set_address(broker, "broker", 9_000 + broker);
        }
        if plan.way == Way::Blind {
            let mut versions = cluster.versions().clone();
            versions.remove(ApiKey::DESCRIBE_PRODUCERS);
            cluster.set_versions(versions);
        }
        let replication_factor = dice.between(1, brokers as u64) as i32;
        let config = TopicConfig { replication_factor, ..TopicConfig::with_partitions(PARTITIONS as i32) };
        cluster.create_topic_with(TOPIC, config);
        let (oracle, troubles) = (Oracle::default(), Troubles::new(dice));
        Self { cluster, oracle, trace, troubles, now_us: 1_000_000, brokers, disk_fails_until: 0 }
    }

    fn wall_us(&self) -> u64 {
        EPOCH_US + self.now_us
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis((self.wall_us() / 1_000) as i64)
    }

    fn say(&mut self, line: Arguments<'_>) {
        self.trace.line(self.now_us, line);
    }

    /// What a broker has read, from the requests before on.
    fn say_requests(&mut self, broker: i32, before: u64) {
        let new = (self.cluster.requests().total() - before) as usize;
        for request in self.cluster.requests().iter().rev().take(new).rev() {
            self.trace.line(self.now_us, format_args!("broker {broker}: {:?}", request.api_key));
        }
    }
}
