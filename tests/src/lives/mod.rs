//! The lives of a producer, one after the other, on one virtual clock and from one seed: each is cut at a random moment, and
//! the next one finishes what it finds.
//!
//! What a life leaves is what a spool would have on disk: the batches, how far they are known to be acknowledged (late),
//! and the newest numbering of each partition that was written down. What was in its sockets may be read by a broker
//! later, while the next life works, or never. Brokers restart, leaders move, connections break.
//!
//! What is shown: every batch is in the log once, in order, and where its acknowledgement says.

mod life;
mod spool;

use crate::cluster::{Cluster, ClusterConfig, TopicConfig};
use crate::simulation::dice::Dice;
use life::Life;
use spool::Spool;

/// The wall clock of the brokers at the beginning, in microseconds since 1970.
const EPOCH_US: u64 = 1_760_000_000_000_000;

const TOPIC: &str = "lives";
const PARTITIONS: usize = 2;

/// How a life finds out what is stored of what the one before has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It sends everything once more.
    Blind,
    /// It asks the leaders first, and begins with the last batch that they remember.
    Probe,
}

/// What a run was like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Batches that were written.
    pub batches: u64,
    /// How many of them were resumed, once for each life.
    pub resumed: u64,
    /// How many of those were acknowledged without an offset.
    pub somewhere: u64,
    /// Batches that the probe spared to send once more.
    pub spared: u64,
    /// Sockets that a life has left with something in them.
    pub adrift: u64,
}

/// Runs a seed.
///
/// # Panics
///
/// Where anything is lost, stored twice, out of order, or does not come to its end.
pub fn run(seed: u64, way: Way) -> Report {
    let mut dice = Dice::new(seed);
    let mut world = World::new(&mut dice);
    let mut spool = Spool::new(way);
    let lives = dice.between(2, 4);
    let mut sockets = Vec::new();
    for number in 1..=lives {
        let mut life = Life::new(number as u32, dice.split(), std::mem::take(&mut sockets));
        life.begin(&mut world, &mut spool);
        for _ in 0..dice.magnitude(1, 400) {
            life.step(&mut world, &mut spool);
        }
        if number == lives {
            life.calm_down(&mut world, &mut spool);
        }
        sockets = life.cut();
        spool.report.adrift += sockets.len() as u64;
    }
    for mut socket in sockets {
        socket.reach_broker(&mut world, usize::MAX);
    }
    spool.judge(&world.cluster, seed)
}

/// The cluster and the clock.
struct World {
    cluster: Cluster,
    now_us: u64,
    brokers: i32,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let brokers = dice.between(1, 3) as i32;
        let mut cluster = Cluster::new(ClusterConfig { brokers, ..ClusterConfig::default() });
        for broker in 1..=brokers {
            cluster.set_address(broker, "broker", 9_000 + broker);
        }
        let replication_factor = dice.between(1, brokers as u64) as i32;
        let config = TopicConfig { replication_factor, ..TopicConfig::with_partitions(PARTITIONS as i32) };
        cluster.create_topic_with(TOPIC, config);
        Self { cluster, now_us: 1_000_000, brokers }
    }

    fn wall_us(&self) -> u64 {
        EPOCH_US + self.now_us
    }
}
