//! What a run is like, all of it drawn from the seed: sizes, settings, the network, and which kinds of fault there are.
//!
//! Each seed switches whole kinds of fault off (swarm testing): a fault that never happens beside ten others may still
//! do harm alone.

use std::time::Duration;

use felice_core::compression::Compression;
use felice_core::config::{AccumulatorConfig, Acks, SenderConfig, Spread};
use felice_core::sasl::Credentials;

use super::dice::Dice;
use crate::cluster::{Release, SaslConfig};

/// The latest that an answer may be, in microseconds.
pub(super) const LATE_US: u64 = 10_000_000;

/// A run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) brokers: i32,
    pub(super) topics: Vec<TopicPlan>,
    pub(super) clients: Vec<ClientPlan>,
    pub(super) network: NetworkPlan,
    /// Which kinds of fault it has.
    pub(super) troubles: Vec<Trouble>,
    /// How long things go wrong, in virtual microseconds.
    pub(super) stormy_us: u64,
    /// How long it is between two events of the chaos, at most.
    pub(super) chaos_us: u64,
    /// The brokers' versions at the start.
    pub(super) release: Release,
    pub(super) leader_hints: bool,
    pub(super) auto_create: bool,
    /// How clients prove who they are; `None` where they need not.
    pub(super) sasl: Option<SaslPlan>,
}

/// SASL in a run.
#[derive(Debug, Clone)]
pub(super) struct SaslPlan {
    /// How long a session lasts, in milliseconds; 0 without an end.
    pub(super) session_lifetime_ms: i64,
}

impl SaslPlan {
    fn new(dice: &mut Dice) -> Self {
        // A broker takes no second authentication within a second, which begins before the end of the first.
        let session_lifetime_ms = if dice.one_in(4) { 0 } else { dice.magnitude(1_300, 20_000) as i64 };
        Self { session_lifetime_ms }
    }

    pub(super) fn config(&self) -> SaslConfig {
        SaslConfig {
            users: [(USER.to_owned(), PASSWORD.to_owned())].into(),
            token: TOKEN.to_owned(),
            aws: Default::default(),
            session_lifetime_ms: self.session_lifetime_ms,
        }
    }
}

const USER: &str = "u=,";
const PASSWORD: &str = "password";
pub(super) const TOKEN: &str = "header.payload.signature";

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Plain,
    Scram,
    Token,
}

impl Proof {
    pub(super) fn credentials(self) -> Credentials {
        match self {
            Self::Plain => Credentials::plain(USER, PASSWORD),
            Self::Scram => Credentials::scram_sha_256(USER, PASSWORD, [7; 32]),
            Self::Token => Ok(Credentials::oauth_bearer()),
        }
        .expect("credentials as they should be")
    }
}

#[derive(Debug, Clone)]
pub(super) struct TopicPlan {
    pub(super) name: String,
    /// 0: it is not there at the start.
    pub(super) partitions: i32,
    pub(super) replicas: i32,
    pub(super) min_insync: usize,
    pub(super) max_message_bytes: usize,
    pub(super) log_append_time: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ClientPlan {
    pub(super) accumulator: AccumulatorConfig,
    pub(super) sender: SenderConfig,
    pub(super) block_bytes: usize,
    pub(super) blocks: usize,
    pub(super) batches: usize,
    pub(super) partitions_max: usize,
    /// Records that it means to send.
    pub(super) records: u64,
    /// The longest value.
    pub(super) value_bytes_max: u64,
    /// How long its user pauses, at most.
    pub(super) pause_us: u64,
    /// How long it takes from a wake-up to the driver's turn, at most.
    pub(super) wake_us: u64,
    /// The socket's buffer, towards the broker.
    pub(super) window: usize,
    /// The most bytes of one read.
    pub(super) read_bytes_max: u64,
    /// Whether its user closes it in the middle of everything.
    pub(super) closes: bool,
    /// Whether its wall clock jumps.
    pub(super) clock_jumps: bool,
    /// How it proves who it is, where it must.
    pub(super) sasl: Option<Proof>,
}

#[derive(Debug, Clone)]
pub(super) struct NetworkPlan {
    pub(super) latency_us: u64,
    pub(super) jitter_us: u64,
    /// What a byte takes on the slowest link, in nanoseconds. Each link has a bandwidth of its own.
    pub(super) byte_ns: u64,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Connections that break at any byte.
    Cuts,
    /// Connections on which nothing comes through any more, without a word.
    Silence,
    /// Connections that are not made: refused, or for ever.
    Refusals,
    /// Names that cannot be resolved for a while.
    Names,
    /// Names that are resolved to where another broker listens, or nobody.
    StaleNames,
    /// Brokers that read slowly.
    Slow,
    /// Brokers that stop and start, one or all.
    Restarts,
    /// Brokers that stand still, and go on as if nothing had been.
    Frozen,
    /// No controller for a while.
    Controller,
    /// Brokers that come back without the end of their logs.
    Losses,
    /// Leaders that move, or are missing for a while.
    Leaders,
    /// Brokers that do not hear of leaders that move, nor of other brokers.
    Stale,
    /// Too few replicas in sync.
    Replicas,
    /// Errors instead of answers, and lost answers.
    Errors,
    /// Answers that are late.
    Delays,
    /// Quotas.
    Quotas,
    /// Drivers that are not given a processor for a while.
    Busy,
    /// Topics that grow, or are deleted and made anew.
    Topics,
    /// Brokers that change their address, or ask to start again from the bootstrap servers.
    Addresses,
    /// Brokers that are replaced by others, under other ids: where they were, or elsewhere.
    Ids,
    /// Credentials that are refused for a while. Only with SASL, and drawn with it.
    Credentials,
}

impl Trouble {
    const ALL: [Self; 20] = [
        Self::Cuts,
        Self::Silence,
        Self::Refusals,
        Self::Names,
        Self::StaleNames,
        Self::Slow,
        Self::Restarts,
        Self::Frozen,
        Self::Controller,
        Self::Losses,
        Self::Leaders,
        Self::Stale,
        Self::Replicas,
        Self::Errors,
        Self::Delays,
        Self::Quotas,
        Self::Busy,
        Self::Topics,
        Self::Addresses,
        Self::Ids,
    ];

    /// None at all in one run of eight; else each with a chance that the run has drawn.
    fn some(dice: &mut Dice) -> Vec<Self> {
        let chance = dice.below(8);
        Self::ALL.into_iter().filter(|_| dice.below(8) < chance).collect()
    }
}

impl Plan {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let brokers = dice.between(1, 4) as i32;
        let topics: Vec<TopicPlan> =
            (0..dice.between(1, 3)).map(|index| TopicPlan::new(dice, index, brokers)).collect();
        let clients = if dice.one_in(4) { 2 } else { 1 };
        let stormy_us = dice.magnitude(200_000, 40_000_000);
        let releases = [
            Release::V2_1,
            Release::V2_4,
            Release::V2_8,
            Release::V3_7,
            Release::V3_9,
            Release::V4_0,
            Release::V4_3,
        ];
        let network = NetworkPlan::new(dice);
        Self {
            brokers,
            clients: (0..clients).map(|_| ClientPlan::new(dice, &network)).collect(),
            topics,
            network,
            troubles: Trouble::some(dice),
            stormy_us,
            chaos_us: dice.magnitude(stormy_us / 100, stormy_us / 2),
            release: *dice.pick(&releases),
            leader_hints: dice.one_in(2),
            auto_create: dice.one_in(2),
            sasl: None,
        }
        .with_sasl()
    }

    /// Every third run has SASL. This takes nothing from the dice: without it a seed is the run that it always was.
    fn with_sasl(mut self) -> Self {
        let mut dice = Dice::new(self.clients[0].sender.seed);
        if dice.one_in(3) {
            self.sasl = Some(SaslPlan::new(&mut dice));
            if dice.one_in(3) {
                self.troubles.push(Trouble::Credentials);
            }
            for client in &mut self.clients {
                // Of SCRAM there is less: hashing a password takes as long as all the rest of a run.
                let proofs =
                    [Proof::Plain, Proof::Plain, Proof::Plain, Proof::Token, Proof::Token, Proof::Scram];
                client.sasl = Some(*dice.pick(&proofs));
            }
        }
        self
    }
}

impl NetworkPlan {
    fn new(dice: &mut Dice) -> Self {
        Self {
            latency_us: if dice.one_in(2) { dice.below(500) } else { dice.magnitude(500, 400_000) },
            jitter_us: dice.magnitude(1, 20_000),
            byte_ns: if dice.one_in(3) { dice.magnitude(10, 20_000) } else { 1 },
        }
    }

    /// How long an exchange takes at the most, with so many bytes under way through a socket with such a buffer.
    pub(super) fn exchange_us(&self, bytes: u64, window: usize) -> u64 {
        let way = self.latency_us + self.jitter_us;
        (2 + bytes / window as u64) * way + bytes * self.byte_ns / 1_000
    }
}

impl ClientPlan {
    /// How long a record takes at the most, in microseconds, where nothing goes wrong any more and whatever went wrong
    /// before has had as long to be noticed.
    pub(super) fn recovery_us(&self, network: &NetworkPlan) -> u64 {
        let micros = |duration: Duration| duration.as_micros() as u64;
        let waits = self.sender.request_timeout
            + self.sender.connection_setup_timeout
            + 2 * self.sender.reconnect_backoff_max
            + 4 * self.sender.retry_backoff_max
            + self.accumulator.linger;
        let held = (self.blocks * self.block_bytes) as u64;
        LATE_US
            + micros(waits)
            + 30 * network.exchange_us(self.sender.request_bytes_max.into(), self.window)
            + 10 * network.exchange_us(held, self.window)
    }
}

impl TopicPlan {
    fn new(dice: &mut Dice, index: u64, brokers: i32) -> Self {
        Self {
            name: format!("topic-{index}"),
            partitions: if dice.one_in(8) { 0 } else { dice.magnitude(1, 12) as i32 },
            replicas: (dice.between(1, 3) as i32).min(brokers),
            min_insync: if dice.one_in(2) { 1 } else { 2 },
            max_message_bytes: if dice.one_in(5) { dice.between(400, 4_000) as usize } else { 1_048_588 },
            log_append_time: dice.one_in(6),
        }
    }
}

impl ClientPlan {
    /// The blocks that the sender has of its own: one, or as many as a batch that is compressed.
    pub(super) fn sender_blocks(&self) -> usize {
        match self.sender.compression {
            Compression::None => 1,
            _ => (self.sender.request_bytes_max as usize).div_ceil(self.block_bytes),
        }
    }

    /// Every third client compresses, by any of the types. This takes nothing from the dice: without it a seed is the run
    /// that it always was.
    fn compressing(mut self) -> Self {
        let draw = self.sender.seed;
        if draw.is_multiple_of(3) {
            self.sender.compression = Compression::ALL[1 + (draw / 3 % 4) as usize];
        }
        self
    }

    fn new(dice: &mut Dice, network: &NetworkPlan) -> Self {
        let micros = |dice: &mut Dice, low, high| Duration::from_micros(dice.magnitude(low, high));
        let idempotence = !dice.one_in(8);
        let acks = match dice.below(8) {
            _ if idempotence => Acks::All,
            0..3 => Acks::None,
            3..6 => Acks::Leader,
            _ => Acks::All,
        };
        let block_bytes = *dice.pick(&[64, 100, 256, 1_024]);
        let blocks = dice.magnitude(4, 400) as usize;
        let request_bytes_max = dice.magnitude(300, 40_000) as u32;
        let delivery_timeout = micros(dice, 200_000, 60_000_000);
        let batch_bytes = dice.magnitude(61, u64::from(request_bytes_max)) as u32;
        let linger = if dice.one_in(2) { Duration::ZERO } else { micros(dice, 1, 500_000) };
        let spread = if dice.one_in(3) { Spread::RoundRobin } else { Spread::Sticky };
        let partition_share = *dice.pick(&[64, 128, 128, 256]);
        let records = if dice.one_in(10) { dice.between(400, 3_000) } else { dice.magnitude(1, 400) };
        let window = dice.magnitude(1, 100_000) as usize;
        // Timeouts that a healthy network cannot keep would show nothing.
        let patience =
            Duration::from_micros(3 * network.exchange_us(6 * u64::from(request_bytes_max), window));
        Self {
            accumulator: AccumulatorConfig {
                batch_bytes,
                linger,
                request_bytes_max,
                delivery_timeout,
                partition_share,
                spread,
                seed: dice.next(),
            },
            sender: SenderConfig {
                acks,
                idempotence,
                in_flight_max: dice.between(1, 5) as u8,
                request_bytes_max,
                request_timeout: patience + micros(dice, 50_000, 30_000_000),
                delivery_timeout,
                retry_backoff: micros(dice, 1_000, 200_000),
                retry_backoff_max: Duration::from_secs(1),
                reconnect_backoff: micros(dice, 1_000, 100_000),
                reconnect_backoff_max: micros(dice, 100_000, 10_000_000),
                connection_setup_timeout: patience + micros(dice, 100_000, 10_000_000),
                connections_idle_max: micros(dice, 1_000_000, 540_000_000),
                metadata_age_max: micros(dice, 500_000, 300_000_000),
                unknown_topic_timeout: micros(dice, 100_000, 10_000_000),
                seed: dice.next(),
                ..SenderConfig::default()
            },
            block_bytes,
            blocks,
            batches: dice.between(2, 2 + blocks as u64) as usize,
            partitions_max: dice.magnitude(1, 40) as usize,
            records,
            value_bytes_max: dice.magnitude(8, 3_000),
            pause_us: dice.magnitude(1, 2_000_000),
            wake_us: dice.magnitude(1, 5_000),
            window,
            read_bytes_max: dice.magnitude(1, 10_000),
            closes: dice.one_in(5),
            clock_jumps: dice.one_in(6),
            sasl: None,
        }
        .compressing()
    }
}
