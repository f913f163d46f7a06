//! One thing goes wrong at the n-th opportunity, and nothing else: n = 1, 2, 3 and so on, until a run passes untouched.
//! A single fault must be heard of by nobody: every record is acknowledged. So it is with brokers that want to know who
//! the producer is, and ask again before it is done.

use std::time::Duration;

use felice_core::config::{AccumulatorConfig, SenderConfig};

use super::dice::Dice;
use super::plan::{ClientPlan, NetworkPlan, Plan, TopicPlan};
use super::sasl::{Proof, SaslPlan};
use super::{Trace, World, drive};
use crate::cluster::{Action, Fault, Release};
use crate::protocol::ApiKey;

/// The one thing that goes wrong. Counts begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nth {
    /// The first connection breaks after so many bytes towards the broker.
    CutToBroker(usize),
    /// The first connection breaks after so many bytes towards the client.
    CutToClient(usize),
    /// The n-th request of an API has no proper answer.
    Lost(ApiKey, u32, Action),
    /// The n-th write takes only so many bytes.
    ShortWrite(u64, usize),
    /// There are only so many blocks.
    Blocks(usize),
}

/// Whether the fault has happened; everything was acknowledged all the same. With a `proof` brokers ask for it.
///
/// # Panics
///
/// At the first thing that must not be.
pub fn run_nth(nth: Nth, proof: Option<Proof>, trace: Trace) -> bool {
    let mut plan = plain();
    if let Some(proof) = proof {
        plan.sasl = Some(SaslPlan { session_lifetime_ms: SESSION_LIFETIME_MS });
        plan.clients[0].sasl = Some(proof);
        // Records come for so long, and so often, that a session is renewed on its connection.
        plan.clients[0].records = 120;
        plan.clients[0].pause_us = 10_000;
    }
    if let Nth::Blocks(blocks) = nth {
        plan.clients[0].blocks = blocks;
    }
    let mut world = World::of_plan(plan, Dice::new(7), trace);
    match nth {
        Nth::CutToBroker(bytes) => world.network.first_cut = (Some(bytes), None),
        Nth::CutToClient(bytes) => world.network.first_cut = (None, Some(bytes)),
        Nth::Lost(api, number, action) => {
            world.cluster.inject(Fault::new(api, Action::Delay(0)).times(number - 1));
            world.cluster.inject(Fault::new(api, action));
        }
        Nth::ShortWrite(number, bytes) => world.clients[0].short_write = Some((number, bytes)),
        Nth::Blocks(_) => {}
    }
    let report = drive(&mut world);
    assert_eq!(report.acknowledged, report.accepted, "{nth:?}: {} records failed", report.failed);
    assert_eq!(report.accepted, world.plan.clients[0].records, "{nth:?}");
    match nth {
        Nth::CutToBroker(_) | Nth::CutToClient(_) => world.network.links.len() > 2,
        Nth::Lost(api, number, _) => world.cluster.requests().count(api) >= number.into(),
        Nth::ShortWrite(..) => world.clients[0].short_write.is_none(),
        Nth::Blocks(_) => world.clients[0].refused > 0,
    }
}

/// So short that the first renewal falls into a run. A second one within a second is refused: another connection.
const SESSION_LIFETIME_MS: i64 = 8;

/// Two brokers, three partitions, one idempotent producer with 60 records, and nothing that goes wrong.
fn plain() -> Plan {
    let delivery_timeout = Duration::from_secs(100);
    let topic = TopicPlan {
        name: "topic".into(),
        partitions: 3,
        replicas: 2,
        min_insync: 1,
        max_message_bytes: 1_048_588,
        log_append_time: false,
    };
    let client = ClientPlan {
        accumulator: AccumulatorConfig {
            batch_bytes: 300,
            linger: Duration::from_millis(1),
            request_bytes_max: 600,
            delivery_timeout,
            ..AccumulatorConfig::default()
        },
        sender: SenderConfig {
            request_bytes_max: 600,
            delivery_timeout,
            request_timeout: Duration::from_secs(2),
            ..SenderConfig::default()
        },
        block_bytes: 64,
        blocks: 200,
        batches: 50,
        partitions_max: 8,
        records: 60,
        value_bytes_max: 60,
        pause_us: 2_000,
        wake_us: 20,
        window: 1_000_000,
        read_bytes_max: 1_000_000,
        closes: false,
        clock_jumps: false,
        sasl: None,
        tokens_fail: false,
    };
    Plan {
        brokers: 2,
        topics: vec![topic],
        clients: vec![client],
        network: NetworkPlan { latency_us: 200, jitter_us: 1, byte_ns: 1 },
        troubles: Vec::new(),
        stormy_us: 20_000_000,
        chaos_us: 10_000_000,
        release: Release::V4_3,
        leader_hints: true,
        auto_create: false,
        sasl: None,
    }
}
