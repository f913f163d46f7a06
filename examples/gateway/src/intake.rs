//! The door to the producer: lines become records here, are sent by the pattern that the file says, and wait where the producer
//! takes no more. While the producer is replaced, they wait as well.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use felice_blocking::{BuildError, CloseError, ErrorKind, Metrics, Producer, SendError};

use crate::config::{Config, Pattern};
use crate::counters::{Registry, SourceCounters, count, failed};
use crate::lines::Line;
use crate::log;
use crate::mapping::{Mapped, Mapping, Origin, Record, Scratch};
use crate::stop::Stop;

/// So long one `send` waits for memory, until it looks whether the gateway is to end.
const MAX_BLOCK: Duration = Duration::from_millis(250);
/// What is refused without waiting is tried again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// The producer that all sources share.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Read for each record, written where the producer is replaced.
    current: RwLock<Current>,
    /// Whether the last `send` has waited in vain.
    is_full: AtomicBool,
    /// Lines in hand when the drain limit was over.
    lost: AtomicU64,
}

#[derive(Debug)]
struct Current {
    producer: Producer,
    pattern: Pattern,
}

impl Intake {
    pub(crate) fn new(config: &Config, registry: &Registry) -> Result<Self, BuildError> {
        let current = Current::new(config, registry)?;
        Ok(Self { current: RwLock::new(current), is_full: AtomicBool::new(false), lost: AtomicU64::new(0) })
    }

    /// Another producer, for other settings. Sources wait meanwhile. With a spool nothing is lost: the next one on it goes on.
    ///
    /// # Errors
    ///
    /// What is wrong with the new settings, and whether the old ones could be taken again.
    pub(crate) fn replace(
        &self,
        old: &Config,
        new: &Config,
        registry: &Registry,
    ) -> Result<(), (String, bool)> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Err(CloseError::Undelivered { records }) = current.producer.close(new.drain_timeout) {
            log::error("records_lost", &[("records", &records)]);
        }
        match Current::new(new, registry) {
            Ok(next) => *current = next,
            Err(problem) => match Current::new(old, registry) {
                Ok(next) => {
                    *current = next;
                    return Err((problem.to_string(), true));
                }
                Err(_) => return Err((problem.to_string(), false)),
            },
        }
        Ok(())
    }

    /// Sends a record by the pattern, and waits for room as long as it takes.
    fn send(&self, record: &Record<'_>, door: &Door) -> Result<(), SendError> {
        loop {
            let problem = match self.send_once(record, door) {
                Ok(()) => {
                    if self.is_full.load(Ordering::Relaxed) {
                        self.is_full.store(false, Ordering::Relaxed);
                        log::info("room_again", &[]);
                    }
                    return Ok(());
                }
                Err(problem) => problem,
            };
            if !problem.is_retriable() {
                return Err(problem);
            }
            self.is_full.store(true, Ordering::Relaxed);
            if door.stop.is_over() {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return Err(problem);
            }
            log::warn("source_waits", &[("source", &door.counters.name), ("problem", &problem)]);
            if !matches!(problem, SendError::NoMemory { .. }) {
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn send_once(&self, record: &Record<'_>, door: &Door) -> Result<(), SendError> {
        let current = self.current();
        match current.pattern {
            Pattern::FireAndForget => current.producer.send(record).map(drop),
            Pattern::Asynchronous => current.producer.send_with_token(record, door.token),
            Pattern::Synchronous => {
                let mut delivery = current.producer.send(record)?;
                drop(current);
                if let Err(problem) = delivery.spooled() {
                    problem.produce_error().inspect(|error| failed(&door.counters, error));
                }
                Ok(())
            }
        }
    }

    /// Waits until everything that was sent is durable in the spool, or has its outcome.
    pub(crate) fn flush(&self) {
        let producer = self.current().producer.clone();
        // It fails in callbacks and forks only.
        let _ = producer.flush();
    }

    /// Closes the producer. Gives how many lines are neither acknowledged nor in the spool.
    pub(crate) fn close(&self, timeout: Duration) -> u64 {
        let producer = self.current().producer.clone();
        let undelivered = match producer.close(timeout) {
            Err(CloseError::Undelivered { records }) => records,
            _ => 0,
        };
        undelivered + self.lost.load(Ordering::Relaxed)
    }

    /// What the producer counts; none while it is replaced.
    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.current.try_read().ok().map(|current| current.producer.metrics())
    }

    /// Whether sources wait because the producer takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(config: &Config, registry: &Registry) -> Result<Self, BuildError> {
        let producer = config
            .producer
            .builder()?
            .max_block(MAX_BLOCK)
            .callback(registry.clone())
            .on_warning(|warning| log::warn("producer", &[("problem", &warning)]))
            .on_undelivered(|error| {
                if error.kind() != ErrorKind::Spooled {
                    log::warn("record_failed", &[("problem", &error)]);
                }
            })
            .build()?;
        Ok(Self { producer, pattern: config.pattern })
    }
}

/// What a source needs: its lines go in here.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) stop: Stop,
    pub(crate) counters: Arc<SourceCounters>,
    token: u64,
    intake: Arc<Intake>,
    mapping: RwLock<Arc<Mapping>>,
}

impl Door {
    pub(crate) fn new(
        name: &str,
        mapping: Mapping,
        intake: &Arc<Intake>,
        registry: &Registry,
    ) -> std::io::Result<Self> {
        let (token, counters) = registry.source(name);
        let mapping = RwLock::new(Arc::new(mapping));
        Ok(Self { stop: Stop::new()?, counters, token, intake: Arc::clone(intake), mapping })
    }

    /// What becomes of lines from now on.
    pub(crate) fn set_mapping(&self, mapping: Mapping) {
        *self.mapping.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(mapping);
    }

    /// What becomes of lines now: for as many as have come together.
    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.mapping.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a line in. Waits where the producer takes no more.
    pub(crate) fn take(&self, line: Line<'_>, mapping: &Mapping, origin: Origin<'_>, scratch: &mut Scratch) {
        let counters = &*self.counters;
        count(&counters.lines);
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong(bytes) => {
                count(&counters.too_long);
                counters.bytes.fetch_add(bytes, Ordering::Relaxed);
                log::warn(
                    "line_too_long",
                    &[("source", &counters.name), ("peer", &origin.peer), ("bytes", &bytes)],
                );
                return;
            }
        };
        counters.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
        let origin = Origin { source: &counters.name, ..origin };
        let sent = mapping.record(line, origin, scratch, |record, mapped| {
            match mapped {
                Mapped::AsTold => {}
                Mapped::Unparsed => count(&counters.unparsed),
                Mapped::WithoutTime => count(&counters.without_time),
            }
            self.intake.send(record, self)
        });
        match sent {
            Ok(Ok(())) => count(&counters.taken),
            Ok(Err(problem)) => {
                count(&counters.refused);
                log::warn("line_refused", &[("source", &counters.name), ("problem", &problem)]);
            }
            Err(problem) => {
                count(&counters.unparsed);
                log::warn(
                    "line_unparsed",
                    &[("source", &counters.name), ("peer", &origin.peer), ("problem", &problem)],
                );
            }
        }
    }

    /// A line has begun, and never ends: `bytes` of it have come.
    pub(crate) fn cut_off(&self, bytes: u64) {
        if bytes > 0 {
            count(&self.counters.cut_off);
            log::warn("line_cut_off", &[("source", &self.counters.name), ("bytes", &bytes)]);
        }
    }

    pub(crate) fn flush(&self) {
        self.intake.flush();
    }
}
