//! What the engine does with the spool in each turn: it hears the thread, feeds it and the sender, and sorts what comes back.

use std::sync::Arc;
use std::task::Waker;

use felice_core::error::{ErrorKind, Failure, Persisted};
use felice_core::event::Completed;
use felice_core::id::{BatchId, BrokerId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::spool::{Lost, may_pass, refuses_numbers};
use felice_core::time::Instant;

use super::super::carry::Carry;
use super::super::outcome::complete;
use super::super::{Engine, Look, fly};
use super::detours::Way;
use super::shares::Why;
use super::{Come, InHand, Question, Waiting, take_hand};
use crate::callback;
use crate::cell::Outcome;
use crate::delivery::Entry;
use crate::dispatcher::{self, Done};
use crate::shared::State;
use crate::spool::{Job, Word};
use crate::storage::HeapBlock;

impl Engine {
    /// What the spool's thread has to say.
    pub(in crate::engine) fn hear_spool(&mut self, now: Instant) {
        let Some(spooling) = &mut self.spooling else { return };
        let mut words = std::mem::take(&mut spooling.words);
        spooling.link.take_words(&mut words);
        for word in words.drain(..) {
            self.hear(now, word);
        }
        if let Some(spooling) = &mut self.spooling {
            spooling.words = words;
        }
    }

    fn hear(&mut self, now: Instant, word: Word) {
        let Some(spooling) = &mut self.spooling else { return };
        match word {
            Word::Appended { batch, partition, number, blocks } => {
                self.appended(batch, partition, number, blocks);
            }
            Word::Refused { batch, partition, kind, blocks } => self.refused(batch, partition, kind, blocks),
            Word::Durable(end) => {
                while let Some(first) = spooling.epochs.first_entry().filter(|first| *first.key() < end) {
                    let (number, epoch) = first.remove_entry();
                    // Whoever waits for it is with it, where it is with the sender.
                    let in_hand = |hand: &Option<InHand>| {
                        hand.as_ref().is_some_and(|in_hand| in_hand.frame.number == number)
                    };
                    let waiting = spooling.entries.get(&number).map(|waiting| &waiting.entry);
                    let entry = waiting.or_else(|| {
                        self.flying.get(spooling.base + spooling.hands.iter().position(in_hand)?)
                    });
                    if let Some(entry) = entry {
                        entry.spooled(&mut self.wakers);
                    }
                    self.carry.push_back(Carry::Leave(epoch));
                }
            }
            Word::NeverDurable => spooling.late.append(&mut spooling.epochs),
            Word::Lost { lost, ended } => {
                for partition in spooling.end_resumed(&ended) {
                    self.sender.end_resumed(now, partition);
                }
                self.lost(lost);
            }
            Word::Loaded(loaded) => spooling.unnamed.push_back(Come::Frame(loaded)),
            Word::Ask { partition, topic, index, producer_id } => spooling.questions.push(Question {
                partition,
                topic,
                index,
                key: None,
                producer_id,
                asked: false,
            }),
            Word::Held(partition) => spooling.unnamed.push_back(Come::Held(partition)),
            Word::Noted(numbering) => self.sender.handle_noted(now, numbering),
            Word::Clean { topic, index } => spooling.cleaned.push((topic, index)),
            Word::Warning(warning) => self.warn(warning),
            Word::Drained => spooling.drained = true,
            Word::Closed => spooling.closed = true,
        }
    }

    /// A batch is written, and its memory free again.
    fn appended(&mut self, batch: BatchId, partition: TopicPartition, number: u64, blocks: Chain<HeapBlock>) {
        let Some(spooling) = &mut self.spooling else { return };
        spooling.arrived(partition, true);
        self.out = self.out.saturating_sub(1);
        let mut entry = self.flying.get_mut(batch.slot()).map(std::mem::take).unwrap_or_default();
        if let Some(epoch) = entry.epoch.take() {
            spooling.epochs.insert(number, epoch);
        }
        if let Some(awaited) = entry.take_awaited() {
            spooling.entries.insert(number, Waiting { entry: awaited, persisted: Persisted::No });
        }
        self.carry.push_back(Carry::Done(Done { batch, partition, blocks, entry }));
    }

    fn refused(
        &mut self,
        batch: BatchId,
        partition: TopicPartition,
        kind: ErrorKind,
        blocks: Chain<HeapBlock>,
    ) {
        if let Some(spooling) = &mut self.spooling {
            spooling.arrived(partition, false);
        }
        let records = self.flying.get(batch.slot()).map_or(0, |entry| entry.records);
        let failure = Failure { kind, persisted: Persisted::No, attempts: 0, last_cause: None };
        let (first, count, result) = (0, records, Err(failure));
        self.complete(&Completed { batch, partition, first, count, result });
        self.give_back(batch, partition, blocks);
    }

    /// Looks for the next batch that leaves the accumulator; what goes to the spool is taken at once.
    pub(in crate::engine) fn look(&mut self, now: Instant, state: &mut State) -> Look {
        let Some(spooling) = &mut self.spooling else { return self.look_for_ready(now, state) };
        let late = spooling.late(state, self.deadline).filter(|(_, at)| *at <= now);
        let partition = match late {
            // Nobody may have looked for as long.
            Some((partition, _)) if spooling.way(partition) == Way::Direct => {
                match self.take_direct(now, state, partition) {
                    Look::Batch(batch) => return Look::Batch(batch),
                    _ => partition,
                }
            }
            Some((partition, _)) => partition,
            None if !spooling.takes_ready() => return Look::Done,
            None => {
                let Some(partition) = state.accumulator.poll_ready(now) else { return Look::Done };
                match spooling.way(partition) {
                    Way::Direct => return self.take_direct(now, state, partition),
                    Way::Detour => partition,
                    Way::Wait => return Look::On,
                }
            }
        };
        if let (Some(spooling), Some(batch)) = (&mut self.spooling, state.accumulator.take(partition)) {
            fly(&mut self.flying, &mut state.deliveries, &batch);
            self.out += 1;
            spooling.take(batch);
        }
        Look::On
    }

    /// Gives what was taken to the thread, and what was read to the sender.
    pub(in crate::engine) fn feed_spool(&mut self, now: Instant) {
        let Some(spooling) = &mut self.spooling else { return };
        for numbering in spooling.unspooled.drain(..) {
            self.sender.handle_noted(now, numbering);
        }
        for mut batch in spooling.taken.drain(..) {
            batch.seal();
            let topic = self.topics.get(usize::from(batch.partition.topic.0)).map(Arc::clone);
            spooling.link.push(Job::Append { batch, topic: topic.unwrap_or_default() });
        }
        for question in spooling.questions.iter_mut().filter(|question| !question.asked) {
            if let Some(key) = question.key {
                question.asked = self.sender.ask_producer(now, key, question.producer_id);
            }
        }
        // What is behind one that is too much waits as well, were it smaller: it may be of the same partition.
        let mut crowded: Vec<BrokerId> = Vec::new();
        for _ in 0..spooling.ready.len() {
            let Some(batch) = spooling.ready.pop_front() else { return };
            let partition = batch.partition;
            let leader = self.sender.leaders(partition.topic, partition.partition).next().flatten();
            let may_send = spooling.detours.as_mut().is_none_or(|detours| {
                detours.may_send(partition, |partition| self.sender.renumber(partition))
            });
            if let Some(leader) = leader.filter(|leader| !crowded.contains(leader))
                && spooling.is_crowded(leader, &batch)
            {
                crowded.push(leader);
            }
            if !may_send || leader.is_some_and(|leader| crowded.contains(&leader)) {
                spooling.defer(now, batch, Why::Crowded);
                continue;
            }
            spooling.unstick(partition, Why::Crowded);
            if spooling.has_no_room(partition)
                || spooling.is_held_up(partition)
                || !self.sender.reserve(now, partition)
            {
                spooling.defer(now, batch, Why::NoRoom);
                continue;
            }
            spooling.turns += 1;
            let turn = spooling.turns;
            let frame = spooling.in_hand(batch.id).map(|in_hand| in_hand.frame);
            let waiting = frame.and_then(|frame| spooling.entries.remove(&frame.number));
            if let Some(in_hand) = spooling.in_hand_mut(batch.id) {
                (in_hand.turn, in_hand.leader) = (Some(turn), leader);
                in_hand.persisted = waiting.as_ref().map_or(Persisted::No, |waiting| waiting.persisted);
            }
            let mut entry = waiting.map(|waiting| waiting.entry).unwrap_or_default();
            (entry.records, entry.topic) = (batch.first + batch.count, partition.topic.0);
            if let Some(place) = self.flying.get_mut(batch.id.slot()) {
                *place = entry;
            }
            self.plain_bytes.note(&batch);
            match frame.map(|frame| (frame.numbers, frame.apart)).unwrap_or_default() {
                (numbers, true) => self.sender.enqueue_apart(now, batch, numbers),
                (Some(numbers), false) => self.sender.resume(now, batch, numbers),
                (None, false) => self.sender.enqueue(now, batch),
            }
        }
    }

    /// Some records of a batch that was read have their outcome. Whether it is to be told: what may pass is not.
    pub(in crate::engine) fn is_final(&mut self, now: Instant, completed: &Completed) -> bool {
        let Some(spooling) = &mut self.spooling else { return true };
        let Some(in_hand) = spooling.in_hand_mut(completed.batch) else { return true };
        match completed.result {
            Ok(_) => in_hand.stored = completed.first + completed.count,
            Err(failure) if may_pass(&failure) => {
                let is_first = !std::mem::replace(&mut in_hand.again, true);
                in_hand.renounce |= refuses_numbers(&failure);
                if failure.persisted == Persisted::Possibly {
                    in_hand.persisted = Persisted::Possibly;
                }
                if is_first && failure.kind != ErrorKind::Spooled && !self.gave_up {
                    let (key, partition) = (in_hand.key, in_hand.frame.partition);
                    spooling.call_back(key, partition);
                    self.sender.withdraw(now, key);
                }
                return false;
            }
            Err(failure) => {
                let is_final = !in_hand.again;
                if is_final {
                    self.report_unheard(completed, failure);
                }
                return is_final;
            }
        }
        !in_hand.again
    }

    /// Records failed for good, and whoever sent them has gone, in a former life perhaps.
    fn report_unheard(&self, completed: &Completed, failure: Failure) {
        let heard = self.flying.get(completed.batch.slot()).is_some_and(Entry::is_awaited);
        let failures = self.shared.callbacks.failures.as_deref().filter(|failures| failures.are_heard());
        let topic = self.topics.get(usize::from(completed.partition.topic.0));
        if let (false, Some(failures), Some(topic)) = (heard, failures, topic) {
            let error = callback::error(topic, Some(failures), completed.partition.partition, failure);
            let records = completed.count;
            self.shared.dispatcher.push(&self.shared, dispatcher::Job::Undelivered { error, records });
        }
    }

    /// The sender has done with a batch that was read. False for one that was not.
    pub(in crate::engine) fn return_to_spool(
        &mut self,
        batch: BatchId,
        blocks: &mut Chain<HeapBlock>,
    ) -> bool {
        let Some(spooling) = &mut self.spooling else { return false };
        let hand = take_hand(&mut spooling.hands, spooling.base, batch);
        let Some(InHand { frame, key, stored, again, renounce, persisted, .. }) = hand else {
            spooling.release_crowded();
            return false;
        };
        let blocks = std::mem::take(blocks);
        let mut entry = self.flying.get_mut(batch.slot()).map(std::mem::take).unwrap_or_default();
        if again {
            if let Some(entry) = entry.take_awaited() {
                spooling.entries.insert(frame.number, Waiting { entry, persisted });
            }
            spooling.link.push(Job::Again { frame, stored, blocks, wait: !self.gave_up, renounce });
        } else {
            let epoch = spooling.epochs.remove(&frame.number).or_else(|| spooling.late.remove(&frame.number));
            self.carry.extend(epoch.map(Carry::Leave));
            spooling.link.push(Job::Done { frame, blocks });
        }
        spooling.came_back(key);
        spooling.release_crowded();
        true
    }

    /// What is in the spool when the producer ends stays there, and whoever waits for it is told so.
    pub(in crate::engine) fn tell_spooled(&mut self) {
        let Some(spooling) = &mut self.spooling else { return };
        let failure = Failure {
            kind: ErrorKind::Spooled,
            persisted: Persisted::Possibly,
            attempts: 0,
            last_cause: None,
        };
        let entries: Vec<Entry> = spooling.take_entries().collect();
        entries.into_iter().for_each(|entry| self.tell_failed(entry, failure));
        self.wakers.drain(..).for_each(Waker::wake);
    }

    /// Whoever waits for records that the spool has lost is told so.
    fn lost(&mut self, Lost { first, end, records, why }: Lost) {
        let Some(spooling) = &mut self.spooling else { return };
        self.shared.metrics.failed_somewhere(records);
        let epochs = spooling.epochs.extract_if(first..end, |_, _| true);
        let epochs = epochs.chain(spooling.late.extract_if(first..end, |_, _| true));
        self.carry.extend(epochs.map(|(_, epoch)| Carry::Leave(epoch)));
        let waiting: Vec<Waiting> =
            spooling.entries.extract_if(first..end, |_, _| true).map(|(_, waiting)| waiting).collect();
        for Waiting { entry, persisted } in waiting {
            let kind = ErrorKind::SpoolLost(why);
            self.tell_failed(entry, Failure { kind, persisted, attempts: 0, last_cause: None });
        }
    }

    fn tell_failed(&mut self, mut entry: Entry, failure: Failure) {
        let outcome = Outcome { partition: -1, first: 0, count: entry.records, result: Err(failure) };
        if let Some(topic) = self.topics.get(usize::from(entry.topic)) {
            complete(&self.shared, topic, &mut entry, outcome, &mut self.wakers);
        }
    }
}
