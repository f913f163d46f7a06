//! Without the feature `spool`: what leaves the accumulator goes to the sender.

use std::sync::Arc;
use std::time::Duration;

use felice_core::event::{Completed, Numbering, ProducerState, TopicView};
use felice_core::id::{BatchId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::time::Instant;

use super::{Engine, Look};
use crate::config::ConfigError;
use crate::delivery::Entry;
use crate::shared::State;
use crate::spool::Begun;
use crate::storage::HeapBlock;
use crate::warning::Warning;

pub(super) enum Spooling {}

impl Spooling {
    pub(super) fn begin(
        begun: Begun,
        _: &mut State,
        _: usize,
        _: Duration,
        _: &mut Vec<Warning>,
    ) -> Result<Self, ConfigError> {
        match begun {}
    }

    pub(super) fn late(&self, _: &State, _: Option<Instant>) -> Option<(TopicPartition, Instant)> {
        match *self {}
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn is_wanted(&self) -> bool {
        match *self {}
    }

    pub(super) fn allow(&mut self, _: TopicPartition) {
        match *self {}
    }

    pub(super) fn note_topic(&self, _: &Arc<str>, _: TopicView) {
        match *self {}
    }

    pub(super) fn note(&mut self, _: Numbering) {
        match *self {}
    }

    pub(super) fn tell_numberings(&mut self) {
        match *self {}
    }

    pub(super) fn answer(&mut self, _: TopicPartition, _: ProducerState) {
        match *self {}
    }

    pub(super) fn name(&mut self, _: &mut State) {
        match *self {}
    }

    pub(super) fn leave_unsent(&mut self) {
        match *self {}
    }

    pub(super) fn end(&mut self, _: bool) -> bool {
        match *self {}
    }

    pub(super) fn take_entries(&mut self) -> std::iter::Empty<Entry> {
        match *self {}
    }
}

impl Engine {
    pub(super) fn look(&mut self, now: Instant, state: &mut State) -> Look {
        self.look_for_ready(now, state)
    }

    pub(super) fn hear_spool(&mut self, _: Instant) {}

    pub(super) fn feed_spool(&mut self, _: Instant) {}

    pub(super) fn is_final(&mut self, _: Instant, _: &Completed) -> bool {
        true
    }

    pub(super) fn return_to_spool(&mut self, _: BatchId, _: &mut Chain<HeapBlock>) -> bool {
        false
    }

    pub(super) fn tell_spooled(&mut self) {}
}
