//! The handle of an accepted record, and the table that leads from a batch to those who wait for its records.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use felice_core::event::Reassigned;
use felice_core::id::{Ticket, TopicId};
use felice_core::time::Timestamp;

use crate::RecordMetadata;
use crate::callback::{self, Failures, Observer, Registered};
use crate::cell::{Cell, Outcome};
use crate::epochs::{Epoch, Epochs};
use crate::error::ProduceError;
use crate::fork::Home;
use crate::observers::{Observers, Spare};

/// The handle of an accepted record: resolves to its metadata, or to what happened instead.
///
/// Dropping it does not cancel the record. Front-ends wrap it and add how their users wait.
pub struct Delivery {
    cell: Arc<Cell>,
    index: u32,
    sizes: Sizes,
    timestamp: Timestamp,
    waiter: Option<u32>,
    observed: bool,
}

impl Delivery {
    #[inline]
    pub(crate) const fn new(cell: Arc<Cell>, index: u32, sizes: Sizes, timestamp: Timestamp) -> Self {
        Self { cell, index, sizes, timestamp, waiter: None, observed: false }
    }

    /// The outcome, if it is there.
    pub fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>> {
        let outcome = self.cell.outcome(self.index)?;
        Some(self.observe(&outcome))
    }

    /// The outcome; until it is there, the context's waker is kept and will be woken. Only the last waker counts.
    pub fn poll_outcome(&mut self, context: &Context<'_>) -> Poll<Result<RecordMetadata, ProduceError>> {
        match self.cell.outcome_or_wait(self.index, context.waker(), &mut self.waiter) {
            Some(outcome) => Poll::Ready(self.observe(&outcome)),
            None if self.is_forked() => Poll::Ready(Err(ProduceError::forked(Arc::clone(self.cell.topic())))),
            None => Poll::Pending,
        }
    }

    /// Ready when the record is durable in the spool, or acknowledged, or has failed; until then the context's waker is kept
    /// and will be woken. Only the last waker counts, of this and of [`poll_outcome`](Self::poll_outcome).
    pub fn poll_spooled(&mut self, context: &Context<'_>) -> Poll<Result<(), ProduceError>> {
        if self.cell.spooled_or_wait(context.waker(), &mut self.waiter) {
            return Poll::Ready(Ok(()));
        }
        self.poll_outcome(context).map(|outcome| outcome.map(|_| ()))
    }

    /// Whether this is another process than the one that built the producer: then nothing is worth waiting for.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.cell.is_forked()
    }

    /// Says that a record failed whose handle is dropped only now.
    #[cold]
    fn report(&self, undelivered: &Failures, outcome: &Outcome) {
        if let Outcome { partition, result: Err(failure), .. } = *outcome
            // The parent has this handle, too.
            && !self.is_forked()
        {
            let error = callback::error(self.cell.topic(), self.cell.failures(), partition, failure);
            undelivered.report(&error, 1);
        }
    }

    fn observe(&mut self, outcome: &Outcome) -> Result<RecordMetadata, ProduceError> {
        self.observed = true;
        callback::result(self.cell.topic(), outcome, self.index, self.sizes, self.timestamp)
            .map_err(|error| callback::explain(self.cell.failures(), error))
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        if let Some(key) = self.waiter {
            self.cell.forget(key);
        }
        let Some(undelivered) = self.cell.undelivered() else { return };
        if !self.observed
            && let Some(outcome) = self.cell.drop_unobserved(self.index)
        {
            self.report(undelivered, &outcome);
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = self.cell.outcome(self.index);
        f.debug_struct("Delivery").field("topic", self.cell.topic()).field("outcome", &outcome).finish()
    }
}

/// What a handle needs beside the record's own values: the cell of its batch, and its place there.
pub(crate) type Handle = (Arc<Cell>, u32);

/// The serialized sizes of a key and a value, -1 for null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    key: i32,
    value: i32,
}

impl Sizes {
    #[inline]
    pub(crate) fn of(key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let size =
            |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        Self { key: size(key), value: size(value) }
    }

    pub(crate) fn key(self) -> Option<u32> {
        u32::try_from(self.key).ok()
    }

    pub(crate) fn value(self) -> Option<u32> {
        u32::try_from(self.value).ok()
    }
}

/// Who wants to hear of a record that is about to be accepted.
pub(crate) enum Interest {
    /// A handle is wanted.
    Handle,
    /// A callback is there.
    Observer(Observer),
}

/// What the front-end keeps beside a batch: whoever waits for its records.
#[derive(Default)]
pub(crate) struct Entry {
    /// Shared by the handles of the batch, once there is one.
    pub(crate) cell: Option<Arc<Cell>>,
    /// Observers of single records, by ascending index.
    pub(crate) registered: Observers,
    /// The topic: where the driver dies, nobody else knows.
    pub(crate) topic: u16,
    /// What a flush waits for. `None` while the slot has no batch.
    pub(crate) epoch: Option<Epoch>,
    /// Records that will be reassigned.
    pending: u32,
    /// How many records the batch has.
    pub(crate) records: u32,
    /// The callbacks' thread has heard of this batch: its end must pass there, too.
    pub(crate) routed: bool,
}

/// An [`Entry`] for each slot of a batch, and the counters around them.
pub(crate) struct Table {
    home: Home,
    entries: Box<[Entry]>,
    pub(crate) epochs: Epochs,
    spare: Spare,
    /// Cells of batches that are done; handles may still hold some.
    spare_cells: Vec<Arc<Cell>>,
    failures: Option<Arc<Failures>>,
    /// How many cells were allocated since.
    cells: u64,
}

impl Table {
    /// A table for so many batches, with cells for as many as are usually held at once.
    pub(crate) fn new(batches: usize, held: usize, failures: Option<Arc<Failures>>) -> Self {
        let nowhere: Arc<str> = "".into();
        let home = Home::here();
        let cell = || Arc::new(Cell::new(Arc::clone(&nowhere), home, failures.clone()));
        let mut spare_cells = Vec::with_capacity(batches);
        spare_cells.extend(std::iter::repeat_with(cell).take(held));
        Self {
            home,
            entries: (0..batches).map(|_| Entry::default()).collect(),
            epochs: Epochs::default(),
            spare: Spare::default(),
            spare_cells,
            failures,
            cells: 0,
        }
    }

    pub(crate) const fn cells(&self) -> u64 {
        self.cells
    }

    /// Notes an accepted record. Where a handle is wanted, the cell and the record's place in it come back.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        ticket: Ticket,
        pending: bool,
        (id, topic): (TopicId, &Arc<str>),
        interest: Interest,
        sizes: Sizes,
        timestamp: Timestamp,
    ) -> Option<Handle> {
        let entry = self.entries.get_mut(ticket.batch.slot())?;
        if entry.epoch.is_none() {
            entry.epoch = Some(self.epochs.enter());
            entry.topic = id.0;
        }
        entry.records = ticket.index + 1;
        let register = |observer| Registered { index: ticket.index, observer, sizes, timestamp };
        match interest {
            Interest::Observer(observer) => {
                entry.pending += u32::from(pending);
                entry.registered.push_back(register(observer), &mut self.spare);
                None
            }
            Interest::Handle if pending => {
                // The record will change its batch: it has a cell that goes with it, in which it is number 0.
                self.cells += 1;
                let cell = Arc::new(Cell::new(Arc::clone(topic), self.home, self.failures.clone()));
                entry.pending += 1;
                entry.registered.push_back(register(Observer::Handle(Arc::clone(&cell))), &mut self.spare);
                Some((cell, 0))
            }
            Interest::Handle => {
                let cell = entry.cell.get_or_insert_with(|| {
                    renewed(&mut self.spare_cells, topic).unwrap_or_else(|| {
                        self.cells += 1;
                        Arc::new(Cell::new(Arc::clone(topic), self.home, self.failures.clone()))
                    })
                });
                Some((Arc::clone(cell), ticket.index))
            }
        }
    }

    /// Moves what waits for a record to the record's new batch.
    pub(crate) fn reassign(&mut self, reassigned: &Reassigned, wakers: &mut Vec<Waker>) {
        let (from, to) = (reassigned.from.batch.slot(), reassigned.to.batch.slot());
        let Some(entry) = self.entries.get_mut(from) else { return };
        let old = entry.epoch;
        let registered = match entry.registered.front() {
            Some(first) if first.index == reassigned.from.index => {
                entry.registered.pop_front(&mut self.spare)
            }
            _ => None,
        };
        entry.pending = entry.pending.saturating_sub(1);
        let drained = entry.pending == 0;
        let Some(entry) = self.entries.get_mut(to) else { return };
        entry.records = reassigned.to.index + 1;
        match (entry.epoch, old) {
            (None, old) => {
                let epoch = match old {
                    Some(old) => self.epochs.join(old),
                    None => self.epochs.enter(),
                };
                entry.epoch = Some(epoch);
                entry.topic = reassigned.partition.topic.0;
            }
            // A flush that waited for the record waits for the batch that the record is in now.
            (Some(new), Some(old)) if old < new => {
                entry.epoch = Some(self.epochs.join(old));
                self.epochs.leave(new, wakers);
            }
            _ => {}
        }
        if let Some(registered) = registered {
            let registered = Registered { index: reassigned.to.index, ..registered };
            entry.registered.push_back(registered, &mut self.spare);
        }
        if drained && let Some(epoch) = self.entries.get_mut(from).and_then(|entry| entry.epoch.take()) {
            self.epochs.leave(epoch, wakers);
        }
    }

    /// The entry of a batch that leaves the accumulator.
    pub(crate) fn take(&mut self, slot: usize, records: u32) -> Entry {
        let Some(entry) = self.entries.get_mut(slot) else { return Entry::default() };
        let mut entry = std::mem::take(entry);
        entry.records = records;
        entry
    }

    /// The batch is done: what its entry has serves later ones.
    pub(crate) fn give_back(&mut self, slot: usize, mut entry: Entry, wakers: &mut Vec<Waker>) {
        if let Some(epoch) = entry.epoch.take() {
            self.epochs.leave(epoch, wakers);
        }
        entry.pending = 0;
        self.spare.take_back(&mut entry.registered);
        self.spare_cells.extend(entry.cell.take());
        if let Some(place) = self.entries.get_mut(slot) {
            *place = entry;
        }
    }

    /// All entries: for a driver that has died.
    pub(crate) fn take_all(&mut self) -> Vec<Entry> {
        self.entries.iter_mut().map(std::mem::take).filter(|entry| entry.epoch.is_some()).collect()
    }
}

/// The cell that was finished last, made new. One that a handle still holds stays that handle's; where a few in a row
/// are held, handles are being kept, and there is no use in looking further.
fn renewed(cells: &mut Vec<Arc<Cell>>, topic: &Arc<str>) -> Option<Arc<Cell>> {
    const TRIES: usize = 4;
    for _ in 0..TRIES {
        let mut cell = cells.pop()?;
        if let Some(unshared) = Arc::get_mut(&mut cell) {
            unshared.renew(topic);
            return Some(cell);
        }
    }
    None
}

impl Entry {
    /// Tells the handles of the records that `outcome` covers. Those that waited are moved into `wakers`. Returns how
    /// many of these records failed with their handle dropped before: somebody else has to be told.
    pub(crate) fn complete(&mut self, outcome: Outcome, wakers: &mut Vec<Waker>) -> u32 {
        let mut dropped = 0;
        if let Some(cell) = &mut self.cell {
            // Nobody looks into a cell without handles, unless the dropped ones are to be counted.
            if cell.undelivered().is_some() || Arc::get_mut(cell).is_none() {
                let whole = outcome.first == 0 && outcome.count >= self.records;
                dropped += cell.complete(outcome, whole, wakers);
            }
        }
        for registered in self.registered.iter() {
            let place = registered.index.wrapping_sub(outcome.first);
            if let Observer::Handle(cell) = &registered.observer
                && place < outcome.count
            {
                dropped += cell.complete(outcome.single(place), true, wakers);
            }
        }
        dropped
    }

    /// What waits for its records, for as long as they are in the spool: nothing, where nobody does.
    pub(crate) fn take_awaited(&mut self) -> Option<Self> {
        self.is_awaited().then(|| Self {
            cell: self.cell.take(),
            registered: std::mem::take(&mut self.registered),
            topic: self.topic,
            records: self.records,
            ..Self::default()
        })
    }

    /// Whether there is a handle or a callback for one of its records.
    pub(crate) fn is_awaited(&self) -> bool {
        let is_held = self.cell.as_ref().is_some_and(|cell| Arc::strong_count(cell) > 1);
        is_held || self.registered.iter().next().is_some()
    }

    /// Tells the handles that the records are durable in the spool.
    pub(crate) fn spooled(&self, wakers: &mut Vec<Waker>) {
        self.cell.iter().for_each(|cell| cell.set_spooled(wakers));
        for registered in self.registered.iter() {
            if let Observer::Handle(cell) = &registered.observer {
                cell.set_spooled(wakers);
            }
        }
    }

    /// The observers of the records that `outcome` covers.
    pub(crate) fn observers(&mut self, outcome: &Outcome) -> Observers {
        if outcome.first == 0 && outcome.count >= self.records {
            return std::mem::take(&mut self.registered);
        }
        self.registered.split(|registered| registered.index.wrapping_sub(outcome.first) < outcome.count)
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
