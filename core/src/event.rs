//! What the machine tells its driver, as values that own what they carry.

use crate::compression::Compression;
#[cfg(feature = "transactions")]
use crate::error::TransactionError;
use crate::error::{ErrorCode, Failure};
use crate::id::{BatchId, BrokerId, ConnectionId, Ticket, TopicId, TopicPartition};
use crate::memory::{Block, Chain};
use crate::time::Timestamp;

/// Where a batch was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The offset of the batch's first record; -1 where the broker did not tell (`acks=0`, or known only by what follows).
    pub base_offset: i64,
    /// The broker's own timestamp, on topics with `message.timestamp.type=LogAppendTime`.
    pub log_append_time: Option<Timestamp>,
}

/// What a [`Sender`](crate::Sender) asks for or reports.
#[derive(Debug)]
pub enum Event<B: Block> {
    /// Open a socket to [`Sender::address`](crate::Sender::address), then say `handle_connected` or `handle_disconnected`.
    Connect(ConnectionId),
    /// Close the socket. It is forgotten already: nothing more needs to be said about it.
    Disconnect(ConnectionId),
    /// The connection has something to send: ask `poll_transmit`.
    Transmit(ConnectionId),
    /// The connection needs a token for OAUTHBEARER, or what AWS_MSK_IAM signs with: tell [`Sender::handle_token`](crate::Sender::handle_token). It has
    /// `request.timeout.ms` for it; to renew a session, until that ends.
    Token(ConnectionId),
    /// A partition that had to wait may hand over a batch: tell [`Accumulator::allow`](crate::Accumulator::allow).
    Ready(TopicPartition),
    /// What is known of a topic has changed: carry [`Sender::topic_view`](crate::Sender::topic_view),
    /// [`Sender::leaders`](crate::Sender::leaders) and
    /// [`Sender::batch_bytes_max`](crate::Sender::batch_bytes_max) to the accumulator.
    Topic(TopicId),
    /// A broker takes records, or does not: tell [`Accumulator::handle_broker`](crate::Accumulator::handle_broker).
    Broker {
        /// Which.
        broker: BrokerId,
        /// Whether it can be reached, as far as is known.
        available: bool,
    },
    /// A broker does not know how a topic's batches are compressed (error 76): all of them go out plain from now on. Comes
    /// once for each topic.
    CompressionRefused {
        /// Whose.
        topic: TopicId,
        /// What was refused.
        compression: Compression,
    },
    /// A partition's numbering begins: write it down, then tell [`Sender::handle_noted`](crate::Sender::handle_noted). Comes
    /// only where [`SenderConfig::notes_numberings`](crate::config::SenderConfig::notes_numberings) asks for it. Nothing is
    /// sent under it before. Where its first batch fails before it is sent it is told again, with another first one.
    Numbering(Numbering),
    /// The answer to [`Sender::ask_producer`](crate::Sender::ask_producer).
    Producer {
        /// The partition that was asked for.
        partition: TopicPartition,
        /// The producer that was asked for.
        producer_id: i64,
        /// What its leader remembers.
        state: ProducerState,
    },
    /// What was asked of the transaction last is done: the producer id is there, the group's offsets are taken, it is committed,
    /// or aborted. `Aborted` says that what was to be committed is not.
    #[cfg(feature = "transactions")]
    Transaction(Result<(), TransactionError>),
    /// Records have their outcome. Comes exactly once for each record of a batch, before its `Recycle`.
    Completed(Completed),
    /// A batch's memory comes back: carry it to [`Accumulator::recycle`](crate::Accumulator::recycle).
    Recycle {
        /// The batch. Its id means nothing any more after this.
        batch: BatchId,
        /// Where it went.
        partition: TopicPartition,
        /// Its blocks.
        blocks: Chain<B>,
    },
}

/// The outcome of some consecutive records of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The batch.
    pub batch: BatchId,
    /// Where it went.
    pub partition: TopicPartition,
    /// The index of the first record whose outcome this is.
    pub first: u32,
    /// How many records.
    pub count: u32,
    /// The outcome: `base_offset` is the offset of the record `first`.
    pub result: Result<Ack, Failure>,
}

/// What a partition's leader remembers of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerState {
    /// It has written, and is not forgotten.
    Active {
        /// The epoch that it wrote under last.
        producer_epoch: i16,
        /// The sequence of the last record of it in the log; -1 where it has none.
        last_sequence: i32,
    },
    /// It has not written, or that is forgotten: `producer.id.expiration.ms` after the timestamp of its last record.
    Unknown,
    /// The broker does not tell, with this code: 29 where the user has no READ on the topic.
    Denied(ErrorCode),
    /// The broker is older than Kafka 2.8.
    Unsupported,
}

/// How a partition's batches are numbered from one of them on, until the next such note of the partition.
///
/// The first batch has base sequence 0. Each one that is handed over behind it has the numbers that follow, as many as it
/// has records (after 2^31 - 1 comes 0), whatever becomes of those before it. All that were handed over before the first one
/// have their outcome, and it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// Whose.
    pub partition: TopicPartition,
    /// The producer id.
    pub producer_id: i64,
    /// Its epoch in this partition.
    pub producer_epoch: i16,
    /// The batch whose first record has sequence 0.
    pub first: BatchId,
}

/// The numbers under which a former life of the producer may have sent a batch: see
/// [`Sender::resume`](crate::Sender::resume).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The producer id.
    pub producer_id: i64,
    /// Its epoch in the partition.
    pub producer_epoch: i16,
    /// The sequence of the batch's first record, not negative.
    pub base_sequence: i32,
    /// Another batch of the partition follows that has numbers of the same numbering: it may be the one that the broker
    /// remembers. Until that one or anything else of the partition is handed over, one that the broker does not know waits.
    pub more: bool,
}

/// A consumer group, and its member that has read what the transaction is made of.
#[cfg(feature = "transactions")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMetadata<'a> {
    /// The group's name.
    pub group_id: &'a str,
    /// The group's generation; -1 where the consumer has its partitions by itself.
    pub generation_id: i32,
    /// The member's id; empty where the consumer has its partitions by itself.
    pub member_id: &'a str,
    /// The consumer's `group.instance.id`.
    pub group_instance_id: Option<&'a str>,
}

/// How far a consumer has read a partition.
#[cfg(feature = "transactions")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetToCommit<'a> {
    /// The partition.
    pub partition: i32,
    /// The offset of the record that is read next.
    pub offset: i64,
    /// The leader's epoch of the record that was read last.
    pub leader_epoch: Option<i32>,
    /// What the consumer wants to remember beside.
    pub metadata: &'a str,
}

/// What the accumulator must know of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicView {
    /// Its partitions are not known (any more).
    Unknown,
    /// It has this many partitions.
    Known {
        /// How many, at least one.
        partitions: i32,
    },
    /// Its records fail: they are handed over without waiting for room.
    Failed(ErrorCode),
}

/// A record whose partition could not be told before its topic's metadata came has moved to another batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reassigned {
    /// The ticket that was given at acceptance.
    pub from: Ticket,
    /// The ticket that stands for the record from now on.
    pub to: Ticket,
    /// Its partition.
    pub partition: TopicPartition,
}
