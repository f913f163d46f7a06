//! A producer with a spool beside a real cluster in trouble: the program is killed at moments drawn at random, again and again,
//! while brokers are killed, leaders move and all brokers are away. Its last life sends what is left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::trouble::Trouble;
use super::{Directory, PARTITIONS, check, check_overflown};
use crate::behaviour::{Target, soak};
use crate::simulation::dice::Dice;

/// So many records are sent by all producers together, and each is killed so often; in the soak ten times that.
const RECORDS: u64 = 100_000;
const KILLS: usize = 5;

/// How long a life may last.
const LIFE_MAX: Duration = Duration::from_secs(12);

/// How long the last life may take for what is left.
const LAST_LIFE_MAX: Duration = Duration::from_secs(900);

/// Front-ends and modes (`spool.mode`).
const PRODUCERS: [(&str, &str); 4] =
    [("blocking", "always"), ("smol", "always"), ("blocking", "overflow"), ("smol", "overflow")];

/// Kills each producer's program beside the cluster, and compares what Kafka's consumer reads with what was said to be
/// durable.
pub fn beside_trouble(target: &Target, program: &str) {
    let seed = soak::seed();
    println!("FELICE_LINK_SEED={seed}");
    let mut dice = Dice::new(seed);
    let (of_trouble, topics) =
        (dice.split(), PRODUCERS.map(|(front_end, mode)| format!("killed-{front_end}-{mode}")));
    topics.iter().for_each(|topic| target.create_topic(topic, PARTITIONS));
    let trouble = Trouble::new(target.kafka(), &topics);
    let left = AtomicUsize::new(0);
    thread::scope(|scope| {
        let all = PRODUCERS.into_iter().zip(&topics).map(|(producer, topic)| {
            let (seed, trouble, mut left) = (dice.next(), &trouble, KillsLeft::new(&left));
            scope.spawn(move || {
                let mut lives = Lives::new(target, program, topic, producer, Dice::new(seed));
                while left.own > 0 || !trouble.is_over() {
                    lives.one();
                    left.one_less();
                }
                lives.last();
                (topic, producer.1, lives.durable)
            })
        });
        let all: Vec<_> = all.collect();
        trouble.make(of_trouble, || left.load(Ordering::Relaxed) > 0);
        for lives in all {
            let (topic, mode, durable) = lives.join().expect("the reason is above");
            let check = if mode == "overflow" { check_overflown } else { check };
            let (count, least): (_, usize) = (check(&target.read(topic), &durable), durable.values().sum());
            println!("{topic}: {count} records, {least} of them said to be durable");
        }
    });
}

/// How many kills are left, of one producer and of all; none of one that has gone wrong.
struct KillsLeft<'k> {
    own: usize,
    all: &'k AtomicUsize,
}

impl<'k> KillsLeft<'k> {
    fn new(all: &'k AtomicUsize) -> Self {
        let own = if soak::is_on() { 10 * KILLS } else { KILLS };
        all.fetch_add(own, Ordering::Relaxed);
        Self { own, all }
    }

    fn one_less(&mut self) {
        if self.own > 0 {
            self.own -= 1;
            self.all.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for KillsLeft<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// The lives of one producer.
struct Lives<'l> {
    program: &'l str,
    bootstrap: String,
    topic: &'l str,
    /// Front-end and mode.
    producer: (&'static str, &'static str),
    directory: Directory,
    dice: Dice,
    kills: usize,
    /// How many of each life's records are durable.
    durable: BTreeMap<String, usize>,
}

impl<'l> Lives<'l> {
    fn new(
        target: &Target,
        program: &'l str,
        topic: &'l str,
        producer: (&'static str, &'static str),
        dice: Dice,
    ) -> Self {
        let (bootstrap, directory) = (target.bootstrap(), Directory::new());
        Self { program, bootstrap, topic, producer, directory, dice, kills: 0, durable: BTreeMap::new() }
    }

    /// A life that is killed: one of three before it has sent much.
    fn one(&mut self) {
        let young = self.dice.below(3) == 0;
        let most = if young { LIFE_MAX / 15 } else { LIFE_MAX };
        let lasts = Duration::from_millis(self.dice.below(most.as_millis() as u64));
        let name = self.name();
        let mut child = self.begin(&name, u64::MAX >> 1);
        let durable = last_number(&mut child);
        thread::sleep(lasts);
        child.kill().expect("it can be killed");
        let status = child.wait().expect("it was killed");
        assert_eq!(status.signal(), Some(9), "{name} of {} ended by itself: {status}", self.topic);
        self.durable.insert(name, durable.join().expect("it reads"));
        self.kills += 1;
    }

    /// The one that sends all that is left, and as many records as are missing.
    fn last(&mut self) {
        let sent: usize = self.durable.values().sum();
        let all = soak::records().max(RECORDS) / PRODUCERS.len() as u64;
        let (name, records) = (self.name(), all.saturating_sub(sent as u64).max(100));
        let (mut child, begun) = (self.begin(&name, records), Instant::now());
        let durable = last_number(&mut child);
        let status = loop {
            if let Some(status) = child.try_wait().expect("it can be asked") {
                break status;
            }
            if begun.elapsed() > LAST_LIFE_MAX {
                let _ = child.kill();
                panic!("{}: the last life does not end", self.topic);
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{}: the last life ended with {status}", self.topic);
        self.durable.insert(name, durable.join().expect("it reads"));
        println!("{}: {} kills, the last life took {:.1?}", self.topic, self.kills, begun.elapsed());
    }

    /// Names are in the order of lives.
    fn name(&self) -> String {
        format!("run{:04}", self.kills)
    }

    /// Batches are small or large, syncs rare or not.
    fn begin(&mut self, name: &str, records: u64) -> Child {
        let (front_end, mode) = self.producer;
        let properties = [
            format!("spool.mode={mode}"),
            format!("spool.overflow.ms={}", self.dice.magnitude(20, 500)),
            format!("batch.size={}", self.dice.magnitude(600, 16_384)),
            format!("spool.sync.ms={}", self.dice.magnitude(5, 80)),
            format!("linger.ms={}", self.dice.below(2) * 5),
            // Its segments are used again and again.
            "spool.max.bytes=8388608".to_owned(),
        ];
        let directory = self.directory.path().display().to_string();
        let arguments = [&*self.bootstrap, self.topic, &directory, name, &records.to_string(), front_end];
        let mut command = Command::new(self.program);
        command.args(arguments).args(properties).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().expect("it starts")
    }
}

/// The last number that the program says, once it has ended.
fn last_number(child: &mut Child) -> thread::JoinHandle<usize> {
    let said = BufReader::new(child.stdout.take().expect("it is piped"));
    // What was cut in the middle is no line.
    let numbers = move || said.lines().map_while(Result::ok).filter_map(|line| line.parse().ok()).last();
    thread::spawn(move || numbers().unwrap_or(0))
}
