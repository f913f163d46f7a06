//! Batches are compressed as they come to the sender, each topic's as it was told, and outside every lock. Error 76: a
//! broker that does not know the codec gets them plain.

use super::Sender;
use super::in_flight::Stamp;
use crate::compression::Compression;
use crate::event::Event;
use crate::id::TopicId;
use crate::memory::Storage;

impl<S: Storage> Sender<S> {
    /// A batch that has just come is compressed, if its topic's are, and if it shrinks.
    pub(super) fn compress(&mut self, slot: u32, topic: TopicId) {
        let Some(compression) = self.cluster.compression(topic) else { return };
        let entry = self.batches.get_mut(slot);
        if let Some(batch) = &mut entry.batch {
            batch.compress(&mut self.codec, compression, &mut self.spare, &mut entry.surplus);
        }
    }

    /// Error 76: the batch is sent plain, under the numbers that it has, and so are all later ones of its topic. False
    /// where it is plain already.
    pub(super) fn send_plain(&mut self, partition: u32, slot: u32) -> bool {
        let crc32c = self.config.crc32c;
        let entry = self.batches.get_mut(slot);
        let Some((batch, stamp)) = entry.batch.as_mut().zip(entry.stamp) else { return false };
        let Some(compressed) = batch.compressed else { return false };
        if batch.decompress(&mut self.codec, &mut self.spare, &mut entry.surplus).is_err() {
            return false;
        }
        entry.stamp = Some(Stamp::new(stamp.identity, stamp.base_sequence, batch, crc32c));
        let topic = batch.partition.topic;
        if let Some(slot) = self.cluster.topic_mut(topic)
            && core::mem::take(&mut slot.compression) != Compression::None
        {
            slot.compression_refused = Some(compressed.by);
            self.compression_refused = true;
        }
        self.recover(partition, false);
        true
    }

    /// A topic whose batches go out plain from now on: told once.
    pub(super) fn compression_event(&mut self) -> Option<Event<S::Block>> {
        if !self.compression_refused {
            return None;
        }
        let refused = self.cluster.topics_mut().iter_mut().enumerate().find_map(|(index, slot)| {
            slot.compression_refused.take().map(|compression| (TopicId(index as u16), compression))
        });
        self.compression_refused = refused.is_some();
        let (topic, compression) = refused?;
        Some(Event::CompressionRefused { topic, compression })
    }
}
