//! What goes from the sender to the accumulator, in one holding of the lock: nothing here may take long.

use std::task::Waker;

use felice_core::id::{BrokerId, TopicId, TopicPartition};
use felice_core::sender::Sender;

use crate::dispatcher::Done;
#[cfg(feature = "spool")]
use crate::epochs::Epoch;
use crate::shared::State;
use crate::storage::Heap;

/// How many partitions' leaders are told in one holding of the lock.
const LEADERS_AT_ONCE: i32 = 1024;

/// What goes from the sender to the accumulator.
pub(super) enum Carry {
    Ready(TopicPartition),
    Topic(TopicId),
    /// The leaders of a topic's partitions from this one on.
    Leaders(TopicId, i32),
    Broker(BrokerId, bool),
    Done(Done),
    /// A batch of this epoch is durable in the spool, or done.
    #[cfg(feature = "spool")]
    Leave(Epoch),
}

impl State {
    /// Tells the accumulator. What is too much for one holding of the lock is left to the next.
    pub(super) fn apply(
        &mut self,
        carry: Carry,
        sender: &Sender<Heap>,
        wakers: &mut Vec<Waker>,
    ) -> Option<Carry> {
        match carry {
            Carry::Ready(partition) => self.accumulator.allow(partition),
            Carry::Topic(topic) => {
                let view = sender.topic_view(topic);
                self.accumulator.handle_topic(topic, view);
                self.accumulator.limit_batches(topic, sender.batch_bytes_max(topic));
                if let Some(known) = self.topics.get_mut(usize::from(topic.0)) {
                    known.view = view;
                }
                self.topic_waiters.take(wakers, |()| true);
                return self.tell_leaders(topic, 0, sender, wakers);
            }
            Carry::Leaders(topic, first) => return self.tell_leaders(topic, first, sender, wakers),
            Carry::Broker(broker, available) => {
                self.accumulator.handle_broker(broker, available);
                self.freed(wakers);
            }
            Carry::Done(done) => self.recycle(done, wakers),
            #[cfg(feature = "spool")]
            Carry::Leave(epoch) => self.deliveries.epochs.leave(epoch, wakers),
        }
        None
    }

    fn tell_leaders(
        &mut self,
        topic: TopicId,
        first: i32,
        sender: &Sender<Heap>,
        wakers: &mut Vec<Waker>,
    ) -> Option<Carry> {
        let leaders = sender.leaders(topic, first).take(LEADERS_AT_ONCE as usize);
        self.accumulator.handle_leaders(topic, first, leaders);
        self.freed(wakers);
        let next = first.saturating_add(LEADERS_AT_ONCE);
        let more = sender.leaders(topic, next).next().is_some();
        more.then_some(Carry::Leaders(topic, next))
    }

    /// A batch's memory comes back: whoever waits for memory may try.
    pub(crate) fn recycle(&mut self, done: Done, wakers: &mut Vec<Waker>) {
        let Done { batch, partition, blocks, mut entry } = done;
        entry.routed = false;
        self.accumulator.recycle(batch, partition, blocks);
        self.tell_available();
        self.deliveries.give_back(batch.slot(), entry, wakers);
        self.freed(wakers);
    }
}
