//! What a cluster of three real brokers goes through while a producer is killed beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::PARTITIONS;
use crate::behaviour::trouble::{on_all, wait_until_in_sync};
use crate::behaviour::{soak, wait_until};
use crate::kafka::Kafka;
use crate::simulation::dice::Dice;

/// A cluster that has no peace.
pub(super) struct Trouble<'k> {
    kafka: &'k Kafka,
    topics: &'k [String],
    over: AtomicBool,
}

type Kind<'k> = fn(&Trouble<'k>, &mut Dice);

impl<'k> Trouble<'k> {
    pub(super) fn new(kafka: &'k Kafka, topics: &'k [String]) -> Self {
        Self { kafka, topics, over: AtomicBool::new(false) }
    }

    /// Whether everything has happened once, or has gone wrong.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// All kinds of trouble, in an order that is drawn: once, and again for as long as it goes on. The cluster is well between
    /// them.
    pub(super) fn make(&self, mut dice: Dice, goes_on: impl Fn() -> bool) {
        let kinds: [(&str, Kind<'k>); 5] = [
            ("a broker is killed", Self::kill_one),
            ("a broker is restarted", Self::restart_one),
            ("leaders move", Self::move_leaders),
            ("partitions are reassigned", Self::reassign),
            ("all brokers are down", Self::all_down),
        ];
        let over = Over(&self.over);
        self.all_kinds(&kinds, &mut dice, || true);
        drop(over);
        while goes_on() {
            self.all_kinds(&kinds, &mut dice, &goes_on);
        }
    }

    fn all_kinds(&self, kinds: &[(&str, Kind<'k>)], dice: &mut Dice, goes_on: impl Fn() -> bool) {
        let mut left = kinds.to_vec();
        while goes_on() && !left.is_empty() {
            let (name, kind) = left.swap_remove(dice.below(left.len() as u64) as usize);
            let begun = Instant::now();
            kind(self, dice);
            println!("{name}: {:.1?}", begun.elapsed());
        }
    }

    /// Others lead its partitions meanwhile.
    fn kill_one(&self, dice: &mut Dice) {
        let victim = dice.between(1, 3) as i32;
        self.kafka.kill(victim);
        self.others_lead(victim);
        pause(dice, 3_000);
        self.kafka.restart(victim);
        self.heal();
    }

    fn restart_one(&self, dice: &mut Dice) {
        self.kafka.restart(dice.between(1, 3) as i32);
        self.heal();
    }

    fn move_leaders(&self, dice: &mut Dice) {
        for round in 0..2 * PARTITIONS {
            for topic in self.topics {
                let partition = round % PARTITIONS;
                let leader = self.kafka.oracle().leader(topic, partition).expect("all brokers are up");
                self.kafka.oracle().move_leader(topic, partition, 1 + leader % 3);
                pause(dice, 300);
            }
        }
    }

    /// The leader's replica is taken away, and comes back: it has to learn the partition anew.
    fn reassign(&self, dice: &mut Dice) {
        for topic in self.topics {
            let partition = dice.below(PARTITIONS as u64) as i32;
            let leader = self.kafka.oracle().leader(topic, partition).expect("all brokers are up");
            let others = [1 + leader % 3, 1 + (leader + 1) % 3];
            self.kafka.oracle().reassign(topic, partition, &others);
            pause(dice, 500);
            self.kafka.oracle().reassign(topic, partition, &[others[0], others[1], leader]);
        }
    }

    fn all_down(&self, dice: &mut Dice) {
        on_all(self.kafka, Kafka::kill);
        thread::sleep(soak::lasts(15, 120));
        pause(dice, 10_000);
        on_all(self.kafka, Kafka::restart);
        self.heal();
    }

    fn others_lead(&self, victim: i32) {
        wait_until("another controller leads", || self.kafka.oracle().controller() != victim);
        let led = |leader: Option<i32>| leader.is_some_and(|leader| leader != victim);
        for topic in self.topics {
            wait_until("others lead", || self.kafka.oracle().describe(topic).iter().all(|it| led(it.leader)));
        }
    }

    fn heal(&self) {
        self.topics.iter().for_each(|topic| wait_until_in_sync(self.kafka, topic));
    }
}

/// Tells of the end, however it comes.
struct Over<'t>(&'t AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// For as long as is drawn.
fn pause(dice: &mut Dice, milliseconds_max: u64) {
    thread::sleep(Duration::from_millis(dice.below(milliseconds_max)));
}
