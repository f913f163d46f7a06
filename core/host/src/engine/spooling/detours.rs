//! In mode `overflow`, which partitions go by way of the spool: those with records that no broker took in time, until all
//! that was spooled of them is acknowledged, and the medium says so.
//!
//! What goes directly and what goes by way of the spool never meet at the sender. So records keep their order, and the
//! numbers of those that are spooled follow on each other: a later life can tell from a record's place in the spool which
//! number it had.

use std::collections::BTreeMap;
use std::time::Duration;

use felice_core::id::TopicPartition;
use felice_core::time::Instant;

/// A batch that is late when the producer is about to end has this long to be written.
const LAST: Duration = Duration::from_secs(1);

/// All partitions on the detour.
pub(super) struct Detours {
    /// How long a batch may be held until it is late.
    after: Duration,
    partitions: BTreeMap<TopicPartition, Detour>,
    /// Those that were found ready while no more could be on its way to the medium.
    aside: Vec<TopicPartition>,
    /// Some may be at their end.
    ending: bool,
}

/// A partition on the detour.
#[derive(Default)]
struct Detour {
    /// Nothing that went directly is left at the sender, and the numbering of what is spooled may begin.
    begun: bool,
    /// Batches on their way to the medium.
    pending: u32,
    /// The spool's thread has read all that it has.
    read: bool,
    /// Nothing of it is in the spool any more, and that is written down.
    clean: bool,
}

/// Where a batch goes that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the sender.
    Direct,
    /// To the spool.
    Detour,
    /// It waits: the detour is about to end.
    Wait,
}

impl Detours {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after, partitions: BTreeMap::new(), aside: Vec::new(), ending: false }
    }

    /// Whether a batch of this age has waited long enough, and when it will have. `deadline` is that of the closing.
    pub(super) fn late_at(&self, created: Instant, deadline: Option<Instant>) -> Instant {
        let late = created + self.after;
        match deadline {
            Some(deadline) if deadline < late + LAST => late.min(before(deadline, LAST)),
            _ => late,
        }
    }

    pub(super) fn way(&self, partition: TopicPartition) -> Way {
        match self.partitions.get(&partition) {
            None => Way::Direct,
            Some(detour) if detour.pending == 0 && (detour.read || detour.clean) => Way::Wait,
            Some(_) => Way::Detour,
        }
    }

    /// A partition takes the detour, if it does not yet.
    pub(super) fn begin(&mut self, partition: TopicPartition) {
        self.partitions.entry(partition).or_default();
    }

    /// A batch is on its way to the medium.
    pub(super) fn took(&mut self, partition: TopicPartition) {
        self.partitions.entry(partition).or_default().pending += 1;
    }

    /// One has arrived there, or was refused.
    pub(super) fn arrived(&mut self, partition: TopicPartition, written: bool) {
        let detour = self.partitions.entry(partition).or_default();
        detour.pending -= 1;
        if written {
            (detour.read, detour.clean) = (false, false);
        }
        self.ending = true;
    }

    /// A frame was read; whether it was the last one.
    pub(super) fn read(&mut self, partition: TopicPartition, last: bool) {
        self.partitions.entry(partition).or_default().read = last;
    }

    /// Nothing of the partition is in the spool.
    pub(super) fn cleaned(&mut self, partition: TopicPartition) {
        if let Some(detour) = self.partitions.get_mut(&partition) {
            detour.clean = true;
            self.ending = true;
        }
    }

    /// Whether what is spooled of a partition may go to the sender. `renumber` makes it begin another numbering there, if
    /// nothing of it is left.
    pub(super) fn may_send(
        &mut self,
        partition: TopicPartition,
        renumber: impl FnOnce(TopicPartition) -> bool,
    ) -> bool {
        let detour = self.partitions.entry(partition).or_default();
        detour.begun = detour.begun || renumber(partition);
        detour.begun
    }

    /// It was found ready, and there is no room on the way to the medium.
    pub(super) fn set_aside(&mut self, partition: TopicPartition) {
        self.aside.push(partition);
    }

    /// Those that may be found ready again: their detour has ended, or there is `room` on the way to the medium.
    pub(super) fn take_ready(&mut self, room: bool) -> impl Iterator<Item = TopicPartition> {
        let mut ready = if room { std::mem::take(&mut self.aside) } else { Vec::new() };
        if std::mem::take(&mut self.ending) {
            let ended = self.partitions.extract_if(.., |_, detour| detour.clean && detour.pending == 0);
            ready.extend(ended.map(|(partition, _)| partition));
        }
        ready.into_iter()
    }
}

fn before(at: Instant, duration: Duration) -> Instant {
    Instant::from_micros(at.as_micros().saturating_sub(duration.as_micros() as u64))
}
