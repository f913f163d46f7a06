//! How a producer begins: its tables, from its settings.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use felice_core::accumulator::{self, Accumulator, AccumulatorTables, BatchSlot};
use felice_core::compression::Compression;
use felice_core::sasl::Mechanism;
use felice_core::sender::{self, InFlightSlot, SaslSlot, SaslTables, Sender, SenderTables};

use super::counting::PlainBytes;
use super::spooling::Spooling;
use super::{Engine, TAKEN_AT_ONCE};
use crate::callback::Failures;
use crate::compression::Codecs;
use crate::config::{Authentication, Checked, ConfigError, Settings};
use crate::delivery::{Entry, Table};
use crate::dispatcher::Job;
use crate::memory_queue::MemoryQueue;
use crate::metrics::Live;
use crate::shared::{Shared, State};
use crate::spool;
use crate::storage::{Heap, HeapBlock, table};
#[cfg(feature = "transactions")]
use crate::transaction::Transactions;
use crate::waiters::Waiters;
use crate::warning::Warning;

/// Bytes per topic in the arena of names, on average: Kafka allows 249, and nobody writes them.
const NAME_BYTES: usize = 64;
/// Where heads of batches are written while they are sent: room for about a hundred in one request.
const HEADS_BYTES: usize = 16 * 1024;

/// What one turn usually carries: room made at the start.
const CARRIED: usize = 128;

/// Checks the settings and makes both planes. `driver` is woken when [`Engine::turn`] is due; nothing runs yet.
///
/// # Errors
///
/// [`ConfigError`] names the setting, its value and the limit.
pub fn start(settings: Settings, driver: Waker) -> Result<(Arc<Shared>, Engine), ConfigError> {
    let mut checked = settings.check()?;
    let spool = checked.spool.as_ref().map(|plan| plan.begin(driver.clone())).transpose()?;
    let mut warnings: Vec<Warning> = in_the_clear(&checked).into_iter().flatten().collect();
    let spool = spool.and_then(|begun| begun.map_err(|warning| warnings.push(warning)).ok());
    if spool.is_some() {
        // What is in the spool waits for as long as it takes.
        checked.accumulator.delivery_timeout = Duration::MAX;
        checked.sender.delivery_timeout = Duration::MAX;
        checked.sender.notes_numberings = true;
    }
    if checked.authentication.is_some() {
        // Brokers may have something to say of the client.
        checked.settings.callbacks.failures.get_or_insert_with(|| Arc::new(Failures::unheard()));
    }
    let batches = batches(&checked);
    let accumulator = accumulator(&checked, batches);
    let slots = batches + if spool.is_some() { spool::BATCHES } else { 0 };
    let mut sender = sender(&checked, slots);
    // Full batches, and as many that are not.
    let held = full_batches(&checked).min(batches);
    let failures = checked.settings.callbacks.failures.clone();
    let topics_max = checked.settings.topics_max;
    let clock = checked.clock.kept(spool.is_some());
    let metrics = Arc::new(Live::new(
        &checked.settings.client_id,
        (topics_max, checked.settings.brokers_max),
        checked.blocks as u64 * checked.block_bytes as u64,
        clock.now(),
        spool.as_ref().map(spool::Begun::metrics),
    ));
    let mut state = State {
        metrics: Arc::clone(&metrics),
        accumulator,
        deliveries: Table::new(batches, held, failures),
        memory: MemoryQueue::default(),
        topics: Vec::with_capacity(topics_max),
        phase: checked.settings.first_phase(),
        deadline: None,
        failed_before: 0,
        close_waiters: Waiters::default(),
        topic_waiters: Waiters::default(),
        #[cfg(feature = "spool")]
        mark: checked.settings.spool.mark(spool.as_ref()),
        #[cfg(feature = "transactions")]
        transactions: Transactions::new(checked.settings.transactional_id.is_some()),
    };
    let compression = checked.settings.topic_compression.clone();
    let connection_setup_timeout = checked.sender.connection_setup_timeout;
    let link = Arc::new(checked.link);
    let token_provider = checked.authentication.as_ref().and_then(|found| found.provider.clone());
    if let Some(authentication) = checked.authentication {
        // The tables are as long as they must be.
        let _ = sender.set_sasl(sasl(authentication, checked.settings.brokers_max));
    }
    #[cfg(feature = "transactions")]
    if let Some(id) = &checked.settings.transactional_id {
        // The settings were checked.
        let _ = sender.set_transactional_id(id, checked.settings.transaction_timeout);
    }
    let linger = checked.accumulator.linger;
    let begin = |begun| Spooling::begin(begun, &mut state, batches, linger, &mut warnings);
    let spooling = spool.map(begin).transpose()?;
    let shared = Arc::new(Shared::new(state, driver, clock, metrics, checked.settings));
    for warning in warnings {
        if shared.callbacks.warning.is_some() {
            shared.dispatcher.push(&shared, Job::Warning(warning));
        }
    }
    let engine = Engine {
        shared: Arc::clone(&shared),
        sender,
        flying: table(slots, Entry::default),
        plain_bytes: PlainBytes::new(slots),
        taken: Vec::with_capacity(TAKEN_AT_ONCE),
        carry: VecDeque::with_capacity(CARRIED),
        actions: VecDeque::with_capacity(CARRIED),
        wakers: Vec::with_capacity(CARRIED),
        out: 0,
        compression,
        topics: Vec::with_capacity(topics_max),
        spooling,
        timeout: None,
        deadline: None,
        gave_up: false,
        ended: false,
        connection_setup_timeout,
        link,
        token_provider,
        without_token: false,
    };
    Ok((shared, engine))
}

/// A batch has a block at least, so there are never more batches than blocks. With much memory there are far fewer: all
/// of it twice over in full batches, or every other partition that may be in use with one. Where more is wanted, a record
/// waits for a batch as it waits for memory.
fn batches(checked: &Checked) -> usize {
    checked.blocks.min(full_batches(checked).max(checked.settings.partitions_max / 2)).max(2)
}

/// Twice as many full batches as there is memory for.
fn full_batches(checked: &Checked) -> usize {
    2 * checked.settings.buffer_memory / checked.accumulator.batch_bytes.max(1_024) as usize
}

fn accumulator(checked: &Checked, batches: usize) -> Accumulator<Heap> {
    let Settings { topics_max, partitions_max, partitions_known_max, brokers_max, .. } = checked.settings;
    let tables = AccumulatorTables {
        topics: table(topics_max, accumulator::TopicSlot::default),
        names: table(topics_max * NAME_BYTES, u8::default),
        partitions: table(partitions_max, accumulator::PartitionSlot::default),
        index: table(partitions_max * 2, u32::default),
        batches: table(batches, BatchSlot::default),
        brokers: table(brokers_max, accumulator::BrokerSlot::default),
        leaders: table(partitions_known_max, u16::default),
    };
    let mut accumulator = Accumulator::new(checked.accumulator, tables);
    for _ in 0..checked.blocks {
        // All have the length of the first: none is handed back.
        let _ = accumulator.add_block(HeapBlock::new(checked.block_bytes));
    }
    accumulator
}

/// Where everybody on the way hears of a secret.
fn in_the_clear(checked: &Checked) -> [Option<Warning>; 2] {
    let Some(authentication) = &checked.authentication else { return [None, None] };
    let mechanism = authentication.mechanism();
    let told = match mechanism {
        Mechanism::Plain | Mechanism::OauthBearer => true,
        #[cfg(feature = "aws-msk-iam")]
        Mechanism::AwsMskIam => true,
        _ => false,
    };
    let clear = told && !checked.settings.security_protocol.is_tls();
    [
        clear.then_some(Warning::SecretInTheClear { mechanism }),
        authentication.asks_in_the_clear.then_some(Warning::ClientSecretInTheClear),
    ]
}

fn sasl(authentication: Authentication, brokers_max: usize) -> SaslTables<Heap> {
    let buffer_bytes = authentication.buffer_bytes();
    SaslTables {
        credentials: authentication.credentials,
        slots: table(brokers_max, || SaslSlot::EMPTY),
        buffers: table(brokers_max * buffer_bytes, u8::default),
    }
}

fn sender(checked: &Checked, batches: usize) -> Box<Sender<Heap>> {
    let Settings { topics_max, partitions_max, partitions_known_max, brokers_max, .. } = checked.settings;
    let tables = SenderTables {
        brokers: table(brokers_max, || felice_core::BrokerSlot::EMPTY),
        topics: table(topics_max, || felice_core::TopicSlot::EMPTY),
        names: table(topics_max * NAME_BYTES, u8::default),
        leaders: table(partitions_known_max, u32::default),
        partitions: table(partitions_max, || sender::SenderPartitionSlot::EMPTY),
        partition_index: table(partitions_max * 2, u32::default),
        batches: table(batches, || InFlightSlot::EMPTY),
        heads: table(HEADS_BYTES, u8::default),
        codec: Codecs::new(&checked.codecs),
    };
    let mut sender = Box::new(Sender::new(checked.sender, &checked.settings.client_id, tables));
    // One to send a batch in parts; to compress, as many as the largest batch has.
    let compresses = checked.codecs.types.iter().any(|wanted| *wanted != Compression::None);
    let largest = (checked.accumulator.request_bytes_max as usize).div_ceil(checked.block_bytes);
    for _ in 0..if compresses { largest } else { 1 } {
        // All are as long as the first: none is handed back.
        let _ = sender.add_block(HeapBlock::new(checked.block_bytes));
    }
    for server in &checked.servers {
        // There is a slot for each: the settings were checked.
        sender.add_bootstrap(&server.host, server.port);
    }
    sender
}
