//! A record's way in. Everything is found out before anything is written: a refused record leaves nothing behind.

use super::batches::{BatchSlot, Kind, Owner};
use super::list::NONE;
use super::partitions::{PartitionSlot, State};
use super::{Accumulator, Appended, RESERVE};
use crate::batch::HEADER_BYTES;
use crate::batch::append::{Place, append, blocks_needed, encode};
use crate::error::AppendError;
use crate::event::TopicView;
use crate::id::{Ticket, TopicId, TopicPartition};
use crate::memory::{Block, OpenChain, Storage};
use crate::record::{Placement, Record, record_bytes};
use crate::time::{Instant, Timestamp};

/// How many partitions are tried for a record that may go to any.
const SPREAD_TRIES: u32 = 4;

/// Why there is no place for a record now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too few blocks or batch slots are free.
    Memory,
    /// The partition, or its broker's partitions together, hold their share of the blocks.
    Share,
    /// No partition slot is free.
    Partitions,
}

/// Where a record goes.
enum Route {
    Partition(i32),
    Spread { partitions: i32 },
    Queue,
}

impl<S: Storage> Accumulator<S> {
    /// Copies a record into a batch.
    ///
    /// # Errors
    ///
    /// Nothing of a refused record is kept. At [`AppendError::NoMemory`], [`AppendError::NoShare`] and
    /// [`AppendError::TooManyPartitions`] what can leave was made ready, so the driver must be woken. A topic that was not interned here has no partition:
    /// [`AppendError::UnknownPartition`].
    pub fn append(&mut self, now: Instant, record: &Record<'_>) -> Result<Appended, AppendError> {
        if let Some(appended) = self.append_open(record) {
            return Ok(appended);
        }
        if self.closed {
            return Err(AppendError::Closed);
        }
        self.advance(now);
        let payload = record.payload_bytes();
        let alone = record_bytes(payload, 0, 0);
        if alone > u64::from(self.record_bytes_max) {
            return Err(self.too_large(alone));
        }
        let topic = record.topic;
        match self.route(record)? {
            Route::Partition(partition) => self
                .append_to(TopicPartition { topic, partition }, record, payload)
                .map_err(|refused| self.refuse(refused, topic, Some(partition))),
            Route::Spread { partitions } => self
                .append_any(partitions, record, payload, alone as u32)
                .map_err(|refused| self.refuse(refused, topic, None)),
            Route::Queue => self
                .append_queued(record, payload, alone as u32)
                .map_err(|refused| self.refuse(refused, topic, None)),
        }
    }

    /// The way that nearly every record takes, and that must be short: into the last block of its partition's open batch.
    /// `None` where there is anything else to do, or to refuse: then nothing was done, and [`append`](Self::append) does
    /// it. Whoever must ask a clock for `now` need not, before that.
    #[inline]
    pub fn append_open(&mut self, record: &Record<'_>) -> Option<Appended> {
        if self.closed {
            return None;
        }
        let payload = record.payload_bytes();
        let topic = self.topics.slot(record.topic)?;
        let TopicView::Known { partitions } = topic.view else { return None };
        if !topic.queue.is_empty() {
            return None;
        }
        let partition = match record.placement {
            Placement::Hash(hash) => (hash % partitions.cast_unsigned()).cast_signed(),
            Placement::Partition(partition) => partition,
            Placement::Any => topic.sticky.choice()?,
        };
        if partition >= partitions {
            return None;
        }
        let bytes_max = self.config.request_bytes_max.min(topic.batch_bytes_max);
        let slot = self.partitions.find(TopicPartition { topic: record.topic, partition });
        if slot == NONE {
            return None;
        }
        let open = self.partitions.at(slot).queue.last();
        if open == NONE {
            return None;
        }
        let batch = self.batches.at_mut(open);
        let place = place(batch, record.timestamp, payload, bytes_max)?;
        let space = batch.chain.space(place.bytes as usize)?;
        encode(space, record, place);
        let ticket = batch.count_in(record.timestamp);
        let filled = batch.chain.bytes();
        if record.placement == Placement::Any {
            let (batch_bytes, spread) = (self.config.batch_bytes, self.config.spread);
            self.topics.at(record.topic).sticky.produced(place.bytes, batch_bytes, spread);
        }
        let wake = self.is_full(filled, place.bytes) && self.end_linger_of(slot);
        Some(Appended { ticket, pending: false, wake })
    }

    /// A partition's open batch has no room for another record like its last. Whether the driver must know of it.
    #[inline]
    fn end_linger_of(&mut self, slot: u32) -> bool {
        if self.partitions.at(slot).state != State::Lingering {
            return false;
        }
        self.partitions.schedule(slot, State::Ready);
        self.wake(true)
    }

    /// Whether a partition is within its share of the memory. A record that was refused with
    /// [`AppendError::NoShare`] need not be tried again before.
    #[must_use]
    pub fn has_share(&self, partition: TopicPartition) -> bool {
        let slot = self.partitions.look_up(partition);
        let (held, broker) = match slot {
            NONE => (0, self.leader(partition.topic, partition.partition)),
            slot => (self.partitions.at(slot).blocks, self.partitions.at(slot).broker),
        };
        self.is_within_share(held, broker, 1)
    }

    fn route(&self, record: &Record<'_>) -> Result<Route, AppendError> {
        let placement = record.placement;
        let (view, queued) = match self.topics.slot(record.topic) {
            Some(slot) => (slot.view, !slot.queue.is_empty()),
            None => (TopicView::Known { partitions: 0 }, false),
        };
        let count = if let TopicView::Known { partitions } = view { partitions } else { i32::MAX };
        match placement {
            Placement::Partition(partition) if partition < 0 || partition >= count => {
                let count = if count == i32::MAX { 0 } else { count };
                return Err(AppendError::UnknownPartition { partition, count });
            }
            _ if count == 0 => return Err(AppendError::UnknownPartition { partition: -1, count }),
            _ => {}
        }
        Ok(match (view, placement) {
            // What was accepted before must not be overtaken: the queue is as good as a partition's.
            _ if queued => Route::Queue,
            (_, Placement::Partition(partition)) => Route::Partition(partition),
            (TopicView::Known { partitions }, Placement::Hash(hash)) => {
                Route::Partition((hash % partitions.cast_unsigned()).cast_signed())
            }
            (TopicView::Known { partitions }, Placement::Any) => Route::Spread { partitions },
            (TopicView::Unknown | TopicView::Failed(_), _) => Route::Queue,
        })
    }

    /// Appends to the topic's present choice; where that partition has no place, to a few others.
    fn append_any(
        &mut self,
        partitions: i32,
        record: &Record<'_>,
        payload: u64,
        alone: u32,
    ) -> Result<Appended, Refused> {
        let (spread, batch_bytes) = (self.config.spread, self.config.batch_bytes);
        let topic = record.topic;
        let mut tries = SPREAD_TRIES;
        loop {
            let partition = self.spread(topic, partitions);
            match self.append_to(TopicPartition { topic, partition }, record, payload) {
                Ok(appended) => {
                    self.topics.at(topic).sticky.produced(alone, batch_bytes, spread);
                    return Ok(appended);
                }
                Err(Refused::Memory) => return Err(Refused::Memory),
                Err(refused) => {
                    tries -= 1;
                    if tries == 0 {
                        return Err(refused);
                    }
                    self.topics.at(topic).sticky.skip();
                }
            }
        }
    }

    fn append_to(
        &mut self,
        key: TopicPartition,
        record: &Record<'_>,
        payload: u64,
    ) -> Result<Appended, Refused> {
        let mut slot = self.partitions.find(key);
        let open = if slot == NONE { NONE } else { self.partitions.at(slot).queue.last() };
        if open != NONE
            && let Some(place) =
                place(self.batches.at(open), record.timestamp, payload, self.batch_bytes_max(key.topic))
        {
            return self.append_behind(slot, open, record, place);
        }
        let bytes = record_bytes(payload, 0, 0) as u32;
        let blocks = blocks_needed(&OpenChain::<S::Block>::new(), bytes, self.pool.block_bytes());
        let (held, broker) = match slot {
            NONE => (0, self.leader(key.topic, key.partition)),
            slot => (self.partitions.at(slot).blocks, self.partitions.at(slot).broker),
        };
        self.check_blocks(held, broker, blocks)?;
        if self.batches.free_count() <= RESERVE {
            return Err(Refused::Memory);
        }
        if slot == NONE {
            slot = self.begin_use(key);
            if slot == NONE {
                return Err(Refused::Partitions);
            }
        }
        let first_of_all = self.batches.is_empty();
        let batch = self.batches.create(Kind::Plain, Owner::Partition(slot), record.timestamp, self.now);
        self.partitions.at_mut(slot).queue.push_back(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.count_taken(slot, blocks);
        let place = Place { payload, timestamp_delta: 0, offset_delta: 0, bytes };
        let ticket = self.write(batch, record, place);
        let wake = self.schedule_new(slot, bytes) || first_of_all;
        Ok(Appended { ticket, pending: false, wake: self.wake(wake) })
    }

    /// What a batch of the topic may grow to, header included.
    #[inline]
    pub(super) fn batch_bytes_max(&self, topic: TopicId) -> u32 {
        let learned = self.topics.slot(topic).map_or(u32::MAX, |slot| slot.batch_bytes_max);
        self.config.request_bytes_max.min(learned)
    }

    /// Appends to a partition's open batch.
    fn append_behind(
        &mut self,
        slot: u32,
        open: u32,
        record: &Record<'_>,
        place: Place,
    ) -> Result<Appended, Refused> {
        let chain = &self.batches.at(open).chain;
        let filled = chain.bytes() + place.bytes;
        let blocks = blocks_needed(chain, place.bytes, self.pool.block_bytes());
        if blocks > 0 {
            let PartitionSlot { blocks: held, broker, .. } = *self.partitions.at(slot);
            self.check_blocks(held, broker, blocks)?;
            self.count_taken(slot, blocks);
        }
        let ticket = self.write(open, record, place);
        let wake = self.is_full(filled, place.bytes) && self.end_linger_of(slot);
        Ok(Appended { ticket, pending: false, wake })
    }

    /// Whether a batch of `bytes` has no room for another record like its last.
    #[inline]
    pub(super) fn is_full(&self, bytes: u32, record: u32) -> bool {
        HEADER_BYTES as u64 + u64::from(bytes) + u64::from(record) > u64::from(self.config.batch_bytes)
    }

    /// Whether so many blocks may be taken by one of `broker`'s partitions, which has `held`. The reserve is left alone.
    /// The share first: who has had it must not stand before others in the queue for free blocks.
    #[inline]
    pub(super) fn check_blocks(&self, held: u32, broker: u16, blocks: u32) -> Result<(), Refused> {
        if !self.is_within_share(held, broker, blocks) {
            return Err(Refused::Share);
        }
        let free = self.pool.free().saturating_sub(RESERVE);
        if blocks > free { Err(Refused::Memory) } else { Ok(()) }
    }

    /// One that has nothing may always have a record, however large.
    #[inline]
    fn is_within_share(&self, held: u32, broker: u16, blocks: u32) -> bool {
        let alone = self.partitions.in_use() + self.queues <= 1;
        (alone || held == 0 || held + blocks <= self.share_blocks)
            && self.brokers.may_take(broker, blocks, self.share_blocks)
    }

    pub(super) fn write(&mut self, batch: u32, record: &Record<'_>, place: Place) -> Ticket {
        let batch = self.batches.at_mut(batch);
        append(&mut batch.chain, &mut self.pool, record, place);
        batch.count_in(record.timestamp)
    }

    /// A partition has a new open batch, whose first record has `bytes`. Whether the driver must know of it.
    fn schedule_new(&mut self, slot: u32, bytes: u32) -> bool {
        let PartitionSlot { key, state, queue, .. } = self.partitions.at(slot);
        let (topic, alone) = (key.topic, queue.first() == queue.last());
        let view = self.topics.slot(topic).map(|slot| slot.view);
        let unknown = matches!(view, Some(TopicView::Unknown));
        match state {
            State::Free | State::Ready | State::Parked => return unknown,
            State::Idle | State::Lingering => {}
        }
        let lingers = alone
            && !self.config.linger.is_zero()
            && !self.is_full(bytes, bytes)
            && !matches!(view, Some(TopicView::Failed(_)));
        let first = !self.partitions.is_any_lingering();
        self.partitions.schedule(slot, if lingers { State::Lingering } else { State::Ready });
        !lingers || first || unknown
    }

    /// Says it only once until the driver has drained [`poll_ready`](Self::poll_ready).
    #[inline]
    pub(super) const fn wake(&mut self, wake: bool) -> bool {
        let news = wake && !self.woken;
        self.woken |= news;
        news
    }

    #[cold]
    fn too_large(&self, bytes: u64) -> AppendError {
        AppendError::RecordTooLarge {
            bytes: bytes + HEADER_BYTES as u64,
            max: self.record_bytes_max.saturating_add(HEADER_BYTES as u32),
        }
    }

    /// Makes all that lingers ready, so that memory will come back; not where that helps nothing, since what holds it
    /// cannot leave.
    #[cold]
    fn refuse(&mut self, refused: Refused, topic: TopicId, partition: Option<i32>) -> AppendError {
        let stuck = partition.is_some_and(|partition| !self.is_available(topic, partition));
        if refused != Refused::Share || !stuck {
            self.partitions.end_linger();
        }
        match refused {
            Refused::Memory => AppendError::NoMemory,
            Refused::Share => AppendError::NoShare { partition },
            Refused::Partitions => AppendError::TooManyPartitions { max: self.partitions.max() },
        }
    }
}

/// Times of the wall clock, and such of a clock that is not set, are further apart than this.
const CLOCKS_APART: i64 = 1 << 60;

/// A record's place in an open batch; `None` where the batch would grow beyond `bytes_max`, or the record's time is by another
/// clock than the batch's: these are shifted together.
#[inline]
pub(super) fn place<B: Block>(
    batch: &BatchSlot<B>,
    timestamp: Timestamp,
    payload: u64,
    bytes_max: u32,
) -> Option<Place> {
    let timestamp_delta = timestamp.as_millis().wrapping_sub(batch.base_timestamp.as_millis());
    let offset_delta = batch.count.cast_signed();
    let bytes = record_bytes(payload, timestamp_delta, offset_delta);
    let total = HEADER_BYTES as u64 + u64::from(batch.chain.bytes()) + bytes;
    let same_clock =
        timestamp_delta.wrapping_add(CLOCKS_APART).cast_unsigned() <= 2 * CLOCKS_APART.cast_unsigned();
    (same_clock && total <= u64::from(bytes_max)).then_some(Place {
        payload,
        timestamp_delta,
        offset_delta,
        bytes: bytes as u32,
    })
}
