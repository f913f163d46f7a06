//! Code of the user's that felice calls: never under a lock, one at a time, its panics contained and counted.

use std::cell::Cell as Flag;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use felice_core::error::{ErrorKind, Failure};
use felice_core::event::Ack;
use felice_core::time::Timestamp;

use crate::RecordMetadata;
use crate::cell::{Cell, Outcome};
use crate::clock::Clock;
use crate::delivery::Sizes;
use crate::error::ProduceError;
use crate::lock::lock;
use crate::observers::Observers;
use crate::warning::Warning;

/// One object that hears of every record sent with a token: no closure, and no allocation, per record.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use felice_host::{Callback, ProduceError, RecordMetadata};
///
/// struct Acknowledged(AtomicU64);
///
/// impl Callback for Acknowledged {
///     fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
///         if outcome.is_ok() {
///             self.0.fetch_max(token, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Callback: Send + Sync {
    /// Called exactly once for each accepted record that was sent with a token, in order per partition, on a thread
    /// that serves the callbacks of this producer only: it may take its time. It may `send` (as `try_send` does);
    /// what would wait in it is refused. A panic is contained and counted.
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>);
}

/// A closure for one record.
pub(crate) type Closure = Box<dyn FnOnce(Result<RecordMetadata, ProduceError>) + Send>;

/// Who hears of one record's outcome.
pub(crate) enum Observer {
    /// A handle: of a record that has no batch of its own yet.
    Handle(Arc<Cell>),
    /// A closure.
    Closure(Closure),
    /// The producer's callback object.
    Token(u64),
}

/// An observer and its record.
pub(crate) struct Registered {
    pub(crate) index: u32,
    pub(crate) observer: Observer,
    pub(crate) sizes: Sizes,
    pub(crate) timestamp: Timestamp,
}

/// The observers of some records of a batch, with what became of these.
pub(crate) struct Call {
    pub(crate) topic: Arc<str>,
    pub(crate) outcome: Outcome,
    pub(crate) registered: Observers,
}

/// The user's code that a producer knows, and how often it has panicked.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) object: Option<Arc<dyn Callback>>,
    pub(crate) failures: Option<Arc<Failures>>,
    pub(crate) warning: Option<Box<dyn Fn(Warning) + Send + Sync>>,
    pub(crate) panics: AtomicU64,
}

impl Callbacks {
    /// Calls the hook for warnings.
    pub(crate) fn warn(&self, warning: Warning) {
        if let Some(hook) = &self.warning {
            contain(&self.panics, || hook(warning));
        }
    }

    /// Calls the observers in order.
    pub(crate) fn run(&self, call: &mut Call) {
        let Call { topic, outcome, registered } = call;
        registered.drain(|registered| {
            let result = result(topic, outcome, registered.index, registered.sizes, registered.timestamp)
                .map_err(|error| explain(self.failures.as_deref(), error));
            match (registered.observer, &self.object) {
                (Observer::Closure(closure), _) => contain(&self.panics, move || closure(result)),
                (Observer::Token(token), Some(object)) => {
                    contain(&self.panics, || object.on_completion(token, result));
                }
                (Observer::Token(_) | Observer::Handle(_), _) => {}
            }
        });
    }
}

type Hook = Box<dyn Fn(ProduceError) + Send + Sync>;

/// What is said of failures, shared with the cells of handles: the builder's `on_undelivered`, and a broker's words.
pub(crate) struct Failures {
    hook: Option<Hook>,
    panics: AtomicU64,
    /// What the broker said that refused the client last.
    words: Mutex<Option<Arc<str>>>,
}

impl Failures {
    pub(crate) fn new(hook: Hook) -> Self {
        Self { hook: Some(hook), ..Self::unheard() }
    }

    /// Nobody wants to hear of failures whose handle was dropped.
    pub(crate) fn unheard() -> Self {
        Self { hook: None, panics: AtomicU64::new(0), words: Mutex::new(None) }
    }

    pub(crate) const fn are_heard(&self) -> bool {
        self.hook.is_some()
    }

    /// Says that `records` failed with nobody to hear of it.
    pub(crate) fn report(&self, error: &ProduceError, records: u32) {
        let Some(hook) = &self.hook else { return };
        for _ in 0..records {
            contain(&self.panics, || hook(error.clone()));
        }
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// A broker has said something about the client.
    pub(crate) fn set_words(&self, words: &str) {
        let mut kept = lock(&self.words);
        if kept.as_deref() != Some(words) {
            *kept = Some(words.into());
        }
    }

    /// The error with the broker's words, where they are about it.
    fn explain(&self, error: ProduceError) -> ProduceError {
        let about = |kind| matches!(kind, ErrorKind::Authentication(_));
        if about(error.kind()) { error.with_words(lock(&self.words).clone()) } else { error }
    }
}

/// What a user hears of the record `index`; a failure is yet to be [explained](explain).
pub(crate) fn result(
    topic: &Arc<str>,
    outcome: &Outcome,
    index: u32,
    sizes: Sizes,
    timestamp: Timestamp,
) -> Result<RecordMetadata, ProduceError> {
    match outcome.result {
        Ok(Ack { base_offset, log_append_time }) => Ok(RecordMetadata::new(
            Arc::clone(topic),
            outcome.partition,
            if base_offset < 0 { -1 } else { base_offset + i64::from(index.wrapping_sub(outcome.first)) },
            log_append_time.unwrap_or_else(|| Clock::new().settled(timestamp)),
            sizes.key(),
            sizes.value(),
        )),
        Err(failure) => Err(ProduceError::new(Arc::clone(topic), outcome.partition, failure)),
    }
}

pub(crate) fn error(
    topic: &Arc<str>,
    failures: Option<&Failures>,
    partition: i32,
    failure: Failure,
) -> ProduceError {
    explain(failures, ProduceError::new(Arc::clone(topic), partition, failure))
}

/// The error with what there is to say of it.
#[cold]
pub(crate) fn explain(failures: Option<&Failures>, error: ProduceError) -> ProduceError {
    match failures {
        Some(failures) => failures.explain(error),
        None => error,
    }
}

thread_local! {
    static IN_CALLBACK: Flag<bool> = const { Flag::new(false) };
}

/// Whether this thread runs a callback: what waits there would wait for itself.
#[must_use]
pub fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Runs the user's code; a panic is counted and goes no further.
fn contain(panics: &AtomicU64, code: impl FnOnce()) {
    let outer = IN_CALLBACK.replace(true);
    if catch_unwind(AssertUnwindSafe(code)).is_err() {
        panics.fetch_add(1, Ordering::Relaxed);
    }
    IN_CALLBACK.set(outer);
}
