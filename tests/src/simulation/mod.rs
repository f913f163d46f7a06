//! The deterministic simulation: producers and a cluster on one virtual clock, and everything that can go wrong between
//! them, all of it from one seed.
//!
//! A run has a storm, in which things go wrong, and then a calm, in which everything must resolve. What is shown: every
//! accepted record has exactly one outcome; what was acknowledged is in the log, at that offset, with those bytes; what
//! failed as not stored is nowhere; an idempotent producer's records are stored once, and in order; no block is lost; no
//! timer is due for ever; what is accepted in the calm does not time out. The same seed gives the same run, byte for byte.
//!
//! It never touches a socket, a thread or a clock.

mod agenda;
pub(crate) mod chaos;
mod client;
pub(crate) mod dice;
mod network;
mod nth;
mod oracle;
mod plan;
pub(crate) mod sasl;
pub(crate) mod storage;
mod trace;
mod workload;

use std::collections::BTreeMap;

use felice_core::error::Disconnect;

use crate::cluster::{Cluster, ClusterConfig, LoggedRequest, Progress, SupportedVersions, TopicConfig};
use agenda::{Agenda, Event};
use chaos::Chaos;
use client::{Client, Surroundings};
use dice::Dice;
use network::{Link, Network, Piece, State};
pub use nth::{Nth, run_nth};
use oracle::Oracle;
use plan::{Plan, Trouble};
pub use sasl::Proof;
use sasl::SaslPlan;
pub use trace::Trace;
use workload::Workload;

/// The wall clock of the brokers at the beginning, in microseconds since 1970.
const EPOCH_US: u64 = 1_760_000_000_000_000;

/// How long after the storm everything must have resolved, beside the delivery timeout.
const CALM_US: u64 = 200_000_000;

/// More events than this, and a run is a busy loop.
const EVENTS_MAX: u64 = 3_000_000;

/// What a run was like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Records that were accepted.
    pub accepted: u64,
    /// Those that were acknowledged.
    pub acknowledged: u64,
    /// Those that failed.
    pub failed: u64,
    /// Events of the run.
    pub events: u64,
    /// Virtual microseconds.
    pub virtual_us: u64,
}

/// Everything there is in a run.
struct World {
    now: u64,
    plan: Plan,
    agenda: Agenda,
    cluster: Cluster,
    network: Network,
    clients: Vec<Client>,
    workloads: Vec<Workload>,
    chaos: Chaos,
    oracle: Oracle,
    trace: Trace,
    addresses: BTreeMap<(String, u16), i32>,
    calm: bool,
}

/// Runs the seed's world to its end; panics at the first thing that must not be.
pub fn run(seed: u64, mut trace: Trace) -> (Report, Trace) {
    trace.line(0, format_args!("seed {seed}"));
    run_with(Dice::new(seed), trace)
}

/// Runs the world in which the input decides; panics as [`run`] does. A fuzzer's way in.
pub fn run_input(input: &[u8], trace: Trace) -> (Report, Trace) {
    run_with(Dice::of_bytes(input), trace)
}

fn run_with(mut dice: Dice, mut trace: Trace) -> (Report, Trace) {
    let plan = Plan::new(&mut dice);
    trace.line(0, format_args!("{plan:#?}"));
    let mut world = World::of_plan(plan, dice, trace);
    let report = drive(&mut world);
    (report, world.trace)
}

/// Runs a world to its end.
fn drive(world: &mut World) -> Report {
    let mut events = 0;
    while let Some((at, event)) = world.agenda.next() {
        assert!(at >= world.now);
        world.now = at;
        world.handle(event);
        events += 1;
        assert!(events < EVENTS_MAX, "a busy loop: {:?}", world.now);
        if world.calm && world.is_resolved() {
            break;
        }
        assert!(!world.calm || world.now < world.deadline(), "{} records have no outcome", world.open());
    }
    world.finish();
    let Oracle { acknowledged, failed, .. } = world.oracle;
    Report { accepted: world.oracle.next(), acknowledged, failed, events, virtual_us: world.now }
}

impl World {
    fn of_plan(plan: Plan, mut dice: Dice, trace: Trace) -> Self {
        let mut cluster = Cluster::new(ClusterConfig {
            brokers: plan.brokers,
            auto_create_topics: plan.auto_create,
            leader_hints: plan.leader_hints,
            ..ClusterConfig::default()
        });
        cluster.set_versions(SupportedVersions::of(plan.release));
        cluster.set_sasl(plan.sasl.as_ref().map(SaslPlan::config));
        let mut addresses = BTreeMap::new();
        for id in 1..=plan.brokers {
            let (host, port) = (format!("broker-{id}"), 9092);
            cluster.set_address(id, &host, i32::from(port));
            addresses.insert((host, port), id);
        }
        for topic in plan.topics.iter().filter(|topic| topic.partitions > 0) {
            cluster.create_topic_with(&topic.name, TopicConfig::from(topic));
        }
        let mut oracle = Oracle::default();
        let changing = plan.troubles.contains(&Trouble::Topics);
        let constant = plan.topics.iter().filter(|topic| topic.partitions > 0 && !changing);
        oracle.partitions.extend(constant.map(|topic| (topic.name.clone(), topic.partitions)));
        let stamped = plan.topics.iter().filter(|topic| topic.log_append_time);
        oracle.stamped.extend(stamped.map(|topic| topic.name.clone()));
        let servers: Vec<(String, u16)> = addresses.keys().cloned().collect();
        let mut agenda = Agenda::default();
        let client = |(index, plan): (usize, &plan::ClientPlan)| {
            agenda.add(0, Event::Work(index));
            Client::new(index, plan.clone(), dice.split(), &servers)
        };
        let clients: Vec<Client> = plan.clients.iter().enumerate().map(client).collect();
        let workloads = clients.iter().map(|_| Workload::new(dice.split())).collect();
        agenda.add(plan.chaos_us, Event::Chaos);
        agenda.add(plan.stormy_us, Event::Calm);
        Self {
            now: 0,
            network: Network::new(plan.network.clone(), dice.split(), plan.brokers),
            chaos: Chaos::new(dice.split(), plan.brokers),
            plan,
            agenda,
            cluster,
            clients,
            workloads,
            oracle,
            trace,
            addresses,
            calm: false,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Turn(client) => self.with_client(client, Client::handle_turn),
            Event::Work(client) => self.work(client),
            Event::Connect(link) if !self.puts_off(link, event) => self.connected(link),
            Event::ToBroker(link) => self.reach_broker(link),
            Event::Answer(link) => self.serve(link),
            Event::Room(link) if !self.puts_off(link, event) => {
                let client = self.network.links[link].client;
                self.with_client(client, |client, around| client.handle_room(around, link));
            }
            Event::ToClient(link) if !self.puts_off(link, event) => {
                let client = self.network.links[link].client;
                self.with_client(client, |client, around| client.handle_arrival(around, link));
            }
            Event::Connect(_) | Event::Room(_) | Event::ToClient(_) => {}
            Event::Chaos => self.chaos(),
            Event::Calm => self.calm_down(),
        }
    }

    fn with_client(&mut self, client: usize, act: impl FnOnce(&mut Client, &mut Surroundings<'_>)) {
        let mut around = Surroundings {
            now: self.now,
            agenda: &mut self.agenda,
            network: &mut self.network,
            oracle: &mut self.oracle,
            trace: &mut self.trace,
            stormy: !self.calm,
            topics_change: self.plan.troubles.contains(&Trouble::Topics),
            addresses: &self.addresses,
        };
        act(&mut self.clients[client], &mut around);
    }

    /// Whether the link's client is not given a processor: it hears of it when it is.
    fn puts_off(&mut self, link: usize, event: Event) -> bool {
        let until = self.clients[self.network.links[link].client].asleep_until;
        if until > self.now {
            self.agenda.add(until, event);
        }
        until > self.now
    }

    /// An attempt to connect reaches where it goes, or does not.
    fn connected(&mut self, link: usize) {
        let (client, broker_id) = (self.network.links[link].client, self.network.links[link].broker_id);
        // A kernel accepts connections whatever becomes of its process.
        let result = if self.network.nameless {
            Err(Disconnect::Unresolved)
        } else if self.network.refusing || !self.cluster.is_up(broker_id) {
            Err(Disconnect::Refused)
        } else {
            Ok(())
        };
        self.with_client(client, |client, around| client.handle_connect(around, link, result));
    }

    /// Bytes reach a broker: it reads them, and room is made in the client's socket.
    fn reach_broker(&mut self, link: usize) {
        let (now, broker_id) = (self.now, self.network.links[link].broker_id);
        if self.cluster.is_up(broker_id) && self.cluster.broker(broker_id).is_frozen() {
            return;
        }
        let (most, pause_us) = self.network.slow.unwrap_or((usize::MAX, 0));
        let Link { to_broker, broker, .. } = &mut self.network.links[link];
        while let Some(piece) = to_broker.arrived_of(now, most) {
            if let Piece::Bytes(bytes) = piece {
                broker.push(&bytes);
            }
            if pause_us > 0 && to_broker.has_arrived(now) {
                self.agenda.add(now + pause_us, Event::ToBroker(link));
                break;
            }
        }
        self.serve(link);
        self.agenda.add(now, Event::Room(link));
    }

    /// A broker answers what it has read.
    fn serve(&mut self, link: usize) {
        let (now, broker_id) = (self.now, self.network.links[link].broker_id);
        let connection = &mut self.network.links[link];
        // What was on its way before the client closed is still read.
        if !self.cluster.is_up(broker_id) || connection.orphaned || connection.state == State::Silent {
            return;
        }
        // It goes on with that when it goes on.
        if self.cluster.broker(broker_id).is_frozen() {
            return;
        }
        let mut output = Vec::new();
        let before = self.cluster.requests().total();
        let progress = connection.broker.advance(&mut self.cluster, EPOCH_US + now, &mut output);
        let new = (self.cluster.requests().total() - before) as usize;
        for request in self.cluster.requests().iter().rev().take(new).rev() {
            let LoggedRequest { api_key, api_version, correlation_id, bytes, .. } = request;
            let (from, bytes) = (connection.client, *bytes);
            self.trace.line(now, format_args!("broker {broker_id}: {api_key:?} {api_version} from client {from}, #{correlation_id}, {bytes} bytes"));
        }
        if !output.is_empty() {
            self.network.send_to_client(now, &mut self.agenda, link, Piece::Bytes(output));
        }
        match progress {
            Progress::Read => {}
            Progress::WaitUntil(at) => self.agenda.add(at - EPOCH_US, Event::Answer(link)),
            Progress::Closed => {
                self.network.send_to_client(now, &mut self.agenda, link, Piece::End(Disconnect::Closed));
            }
        }
    }

    fn open(&self) -> usize {
        self.clients.iter().map(|client| self.oracle.open(client.index)).sum()
    }

    /// Whether every user is done, and every record has its outcome.
    fn is_resolved(&self) -> bool {
        self.workloads.iter().all(Workload::is_done) && self.clients.iter().all(Client::is_done)
    }

    /// By when everything must have resolved: every record by its delivery timeout, every answer by that of its request.
    fn deadline(&self) -> u64 {
        let longest =
            |client: &plan::ClientPlan| client.sender.delivery_timeout + client.sender.request_timeout;
        let timeouts = self.plan.clients.iter().map(longest).max().unwrap_or_default();
        self.plan.stormy_us + timeouts.as_micros() as u64 + CALM_US
    }

    fn finish(&mut self) {
        assert!(self.is_resolved(), "nothing happens any more, and {} records have no outcome", self.open());
        self.clients.iter().for_each(Client::check_empty);
        self.oracle.judge(&self.cluster, &self.plan.clients);
        for (index, client) in self.plan.clients.iter().enumerate() {
            let recovery_us = client.recovery_us(&self.plan.network);
            if u128::from(recovery_us) < client.sender.delivery_timeout.as_micros() {
                self.oracle.judge_calm(&self.cluster, index, self.plan.stormy_us + recovery_us);
            }
        }
    }
}
