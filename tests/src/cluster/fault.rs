//! Faults on order: errors, silence and closed sockets for the next requests of an API.

use std::collections::VecDeque;

use crate::protocol::{ApiKey, ErrorCode};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing is done, and the answer is this error.
    Error(ErrorCode),
    /// The request is carried out, and the answer is this error all the same.
    ApplyThenError(ErrorCode),
    /// Nothing is done and nothing answered, to this request and all later ones of the connection: a broker answers
    /// in order, so one that owes an answer is silent.
    Drop,
    /// The request is carried out, and then as [`Action::Drop`].
    ApplyThenDrop,
    /// Nothing is done, and the connection closes.
    Close,
    /// The request is carried out, and the connection closes instead of an answer.
    ApplyThenClose,
    /// The request is carried out at once, and answered this many microseconds later.
    Delay(u64),
}

/// An action, and which requests it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Requests of this API.
    pub api_key: ApiKey,
    /// Only those to this broker.
    pub broker_id: Option<i32>,
    /// Only this partition of a Produce request, the others being carried out; only for the two kinds of error.
    pub partition: Option<(String, i32)>,
    /// How many times.
    pub count: u32,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// One request of an API, to any broker.
    pub fn new(api_key: ApiKey, action: Action) -> Self {
        Self { api_key, broker_id: None, partition: None, count: 1, action }
    }

    /// One request of an API is refused with an error.
    pub fn error(api_key: ApiKey, error_code: ErrorCode) -> Self {
        Self::new(api_key, Action::Error(error_code))
    }

    /// Only requests to this broker.
    pub fn on_broker(mut self, broker_id: i32) -> Self {
        self.broker_id = Some(broker_id);
        self
    }

    /// Only this partition of Produce requests.
    ///
    /// # Panics
    ///
    /// If the fault is not an error of Produce.
    pub fn on_partition(mut self, topic: &str, partition: i32) -> Self {
        let is_error = matches!(self.action, Action::Error(_) | Action::ApplyThenError(_));
        assert!(
            self.api_key == ApiKey::PRODUCE && is_error,
            "one partition can only have an error of Produce"
        );
        self.partition = Some((topic.to_owned(), partition));
        self
    }

    /// This many times.
    pub fn times(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    fn concerns(&self, api_key: ApiKey, broker_id: i32) -> bool {
        self.api_key == api_key && self.broker_id.is_none_or(|id| id == broker_id)
    }
}

/// How a handler must bend its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bend {
    /// Not at all.
    No,
    /// The error instead of the deed.
    Refuse(ErrorCode),
    /// The error after the deed.
    Belie(ErrorCode),
}

impl Bend {
    /// The error to answer with.
    pub(super) fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::No => None,
            Self::Refuse(code) | Self::Belie(code) => Some(code),
        }
    }
}

impl From<Option<Action>> for Bend {
    fn from(action: Option<Action>) -> Self {
        match action {
            Some(Action::Error(code)) => Self::Refuse(code),
            Some(Action::ApplyThenError(code)) => Self::Belie(code),
            _ => Self::No,
        }
    }
}

/// The faults that have not happened yet, in the order of their injection.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: VecDeque<Fault>,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        if fault.count > 0 {
            self.waiting.push_back(fault);
        }
    }

    pub(super) fn left(&self) -> u32 {
        self.waiting.iter().map(|fault| fault.count).sum()
    }

    /// The fault for a whole request.
    pub(super) fn take(&mut self, api_key: ApiKey, broker_id: i32) -> Option<Action> {
        self.take_first(|fault| fault.partition.is_none() && fault.concerns(api_key, broker_id))
    }

    /// The fault for one partition of a Produce request.
    pub(super) fn take_of_partition(
        &mut self,
        broker_id: i32,
        topic: &str,
        partition: i32,
    ) -> Option<Action> {
        self.take_first(|fault| {
            let partition_matches =
                fault.partition.as_ref().is_some_and(|(name, index)| name == topic && *index == partition);
            partition_matches && fault.concerns(ApiKey::PRODUCE, broker_id)
        })
    }

    fn take_first(&mut self, matches: impl Fn(&Fault) -> bool) -> Option<Action> {
        let index = self.waiting.iter().position(matches)?;
        let fault = &mut self.waiting[index];
        let action = fault.action;
        fault.count -= 1;
        if fault.count == 0 {
            self.waiting.remove(index);
        }
        Some(action)
    }
}
