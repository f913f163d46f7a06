//! The requests of transactions, in their flexible versions: coordinators, what belongs to a transaction, its end.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Writer};

/// The versions below 3 are not read, nor written.
const FLEXIBLE_SINCE: i16 = 3;
/// The first FindCoordinator with several keys.
const KEYS_SINCE: i16 = 4;
/// The first EndTxn whose answer has an identity.
const IDENTITY_SINCE: i16 = 5;

fn only_flexible(version: i16) -> Result<(), DecodeError> {
    if version < FLEXIBLE_SINCE { Err(DecodeError::Truncated) } else { Ok(()) }
}

/// FindCoordinator request, versions 3 to 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorRequest<'a> {
    /// 0 for a group, 1 for a transactional id.
    pub key_type: i8,
    /// The groups or transactional ids; before version 4 there is one.
    pub keys: Vec<&'a str>,
}

impl<'a> Message<'a> for FindCoordinatorRequest<'a> {
    const API_KEY: ApiKey = ApiKey::FIND_COORDINATOR;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let request = if version < KEYS_SINCE {
            let keys = vec![reader.string()?];
            Self { key_type: reader.i8()?, keys }
        } else {
            Self { key_type: reader.i8()?, keys: reader.array(Reader::string)? }
        };
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        if version < KEYS_SINCE {
            writer.string(self.keys.first().copied().unwrap_or_default());
            writer.i8(self.key_type);
        } else {
            writer.i8(self.key_type);
            writer.array(&self.keys, |writer, key| writer.string(key));
        }
        writer.no_tagged_fields();
    }
}

/// FindCoordinator response, versions 3 to 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorResponse<'a> {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// One for each key; before version 4 one.
    pub coordinators: Vec<Coordinator<'a>>,
}

/// Who coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator<'a> {
    /// The group or transactional id; empty before version 4.
    pub key: &'a str,
    /// The broker, or -1.
    pub node_id: i32,
    /// Its host.
    pub host: &'a str,
    /// Its port.
    pub port: i32,
    /// Why there is none.
    pub error_code: ErrorCode,
}

impl<'a> Message<'a> for FindCoordinatorResponse<'a> {
    const API_KEY: ApiKey = ApiKey::FIND_COORDINATOR;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let throttle_time_ms = reader.i32()?;
        let coordinators = if version < KEYS_SINCE {
            let error_code = ErrorCode(reader.i16()?);
            reader.nullable_string()?;
            let (node_id, host, port) = (reader.i32()?, reader.string()?, reader.i32()?);
            vec![Coordinator { key: "", node_id, host, port, error_code }]
        } else {
            reader.array(|reader| {
                let (key, node_id) = (reader.string()?, reader.i32()?);
                let (host, port, error_code) = (reader.string()?, reader.i32()?, ErrorCode(reader.i16()?));
                reader.nullable_string()?;
                reader.skip_tagged_fields()?;
                Ok(Coordinator { key, node_id, host, port, error_code })
            })?
        };
        reader.skip_tagged_fields()?;
        Ok(Self { throttle_time_ms, coordinators })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        if version < KEYS_SINCE {
            for coordinator in self.coordinators.iter().take(1) {
                writer.i16(coordinator.error_code.0);
                writer.nullable_string(None);
                writer.i32(coordinator.node_id);
                writer.string(coordinator.host);
                writer.i32(coordinator.port);
            }
        } else {
            writer.array(&self.coordinators, |writer, coordinator| {
                writer.string(coordinator.key);
                writer.i32(coordinator.node_id);
                writer.string(coordinator.host);
                writer.i32(coordinator.port);
                writer.i16(coordinator.error_code.0);
                writer.nullable_string(None);
                writer.no_tagged_fields();
            });
        }
        writer.no_tagged_fields();
    }
}

/// Who writes: the beginning of most of these requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionalProducer<'a> {
    /// The transactional id.
    pub transactional_id: &'a str,
    /// The producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

impl<'a> TransactionalProducer<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            transactional_id: reader.string()?,
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
        })
    }

    fn encode(&self, writer: &mut Writer) {
        writer.string(self.transactional_id);
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
    }
}

/// Partitions by topic.
type Partitions<'a> = Vec<(&'a str, Vec<i32>)>;

/// AddPartitionsToTxn request, version 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitionsRequest<'a> {
    /// Who.
    pub producer: TransactionalProducer<'a>,
    /// What.
    pub topics: Partitions<'a>,
}

impl<'a> Message<'a> for AddPartitionsRequest<'a> {
    const API_KEY: ApiKey = ApiKey::ADD_PARTITIONS_TO_TXN;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let producer = TransactionalProducer::decode(reader)?;
        let topics = reader.array(|reader| {
            let topic = (reader.string()?, reader.array(Reader::i32)?);
            reader.skip_tagged_fields()?;
            Ok(topic)
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { producer, topics })
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        self.producer.encode(writer);
        writer.array(&self.topics, |writer, (name, partitions)| {
            writer.string(name);
            writer.array(partitions, |writer, partition| writer.i32(*partition));
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

/// An error code for each partition, by topic: the answer to AddPartitionsToTxn, and that to TxnOffsetCommit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionsResponse<'a, const API: i16> {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// The partitions.
    pub topics: Vec<(&'a str, Vec<(i32, ErrorCode)>)>,
}

/// AddPartitionsToTxn response, version 3.
pub type AddPartitionsResponse<'a> = PartitionsResponse<'a, 24>;
/// TxnOffsetCommit response, versions 3 to 5.
pub type OffsetsResponse<'a> = PartitionsResponse<'a, 28>;

impl<'a, const API: i16> Message<'a> for PartitionsResponse<'a, API> {
    const API_KEY: ApiKey = ApiKey(API);

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let throttle_time_ms = reader.i32()?;
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let partition = (reader.i32()?, ErrorCode(reader.i16()?));
                reader.skip_tagged_fields()?;
                Ok(partition)
            })?;
            reader.skip_tagged_fields()?;
            Ok((name, partitions))
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { throttle_time_ms, topics })
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        writer.array(&self.topics, |writer, (name, partitions)| {
            writer.string(name);
            writer.array(partitions, |writer, (index, error_code)| {
                writer.i32(*index);
                writer.i16(error_code.0);
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

/// AddOffsetsToTxn request, versions 3 and 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOffsetsRequest<'a> {
    /// Who.
    pub producer: TransactionalProducer<'a>,
    /// Whose offsets.
    pub group_id: &'a str,
}

impl<'a> Message<'a> for AddOffsetsRequest<'a> {
    const API_KEY: ApiKey = ApiKey::ADD_OFFSETS_TO_TXN;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let request = Self { producer: TransactionalProducer::decode(reader)?, group_id: reader.string()? };
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        self.producer.encode(writer);
        writer.string(self.group_id);
        writer.no_tagged_fields();
    }
}

/// An error code: the answer to AddOffsetsToTxn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOffsetsResponse {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// The error.
    pub error_code: ErrorCode,
}

impl<'a> Message<'a> for AddOffsetsResponse {
    const API_KEY: ApiKey = ApiKey::ADD_OFFSETS_TO_TXN;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let response = Self { throttle_time_ms: reader.i32()?, error_code: ErrorCode(reader.i16()?) };
        reader.skip_tagged_fields()?;
        Ok(response)
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        writer.i16(self.error_code.0);
        writer.no_tagged_fields();
    }
}

/// TxnOffsetCommit request, versions 3 to 5. The member is read and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetsRequest<'a> {
    /// Who.
    pub producer: TransactionalProducer<'a>,
    /// Whose offsets.
    pub group_id: &'a str,
    /// The group's generation.
    pub generation_id: i32,
    /// By topic, partitions and offsets.
    pub topics: Vec<(&'a str, Vec<(i32, i64)>)>,
}

impl<'a> Message<'a> for OffsetsRequest<'a> {
    const API_KEY: ApiKey = ApiKey::TXN_OFFSET_COMMIT;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let (transactional_id, group_id) = (reader.string()?, reader.string()?);
        let (producer_id, producer_epoch) = (reader.i64()?, reader.i16()?);
        let producer = TransactionalProducer { transactional_id, producer_id, producer_epoch };
        let generation_id = reader.i32()?;
        reader.string()?;
        reader.nullable_string()?;
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let partition = (reader.i32()?, reader.i64()?);
                reader.i32()?;
                reader.nullable_string()?;
                reader.skip_tagged_fields()?;
                Ok(partition)
            })?;
            reader.skip_tagged_fields()?;
            Ok((name, partitions))
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { producer, group_id, generation_id, topics })
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.string(self.producer.transactional_id);
        writer.string(self.group_id);
        writer.i64(self.producer.producer_id);
        writer.i16(self.producer.producer_epoch);
        writer.i32(self.generation_id);
        writer.string("");
        writer.nullable_string(None);
        writer.array(&self.topics, |writer, (name, partitions)| {
            writer.string(name);
            writer.array(partitions, |writer, (index, offset)| {
                writer.i32(*index);
                writer.i64(*offset);
                writer.i32(-1);
                writer.nullable_string(Some(""));
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

/// EndTxn request, versions 3 to 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndTxnRequest<'a> {
    /// Who.
    pub producer: TransactionalProducer<'a>,
    /// Commit, or abort.
    pub committed: bool,
}

impl<'a> Message<'a> for EndTxnRequest<'a> {
    const API_KEY: ApiKey = ApiKey::END_TXN;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let request = Self { producer: TransactionalProducer::decode(reader)?, committed: reader.bool()? };
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        self.producer.encode(writer);
        writer.bool(self.committed);
        writer.no_tagged_fields();
    }
}

/// EndTxn response, versions 3 to 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndTxnResponse {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// The error.
    pub error_code: ErrorCode,
    /// From version 5 on: the producer id of what follows, or -1.
    pub producer_id: i64,
    /// From version 5 on: its epoch, or -1.
    pub producer_epoch: i16,
}

impl<'a> Message<'a> for EndTxnResponse {
    const API_KEY: ApiKey = ApiKey::END_TXN;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        only_flexible(version)?;
        let (throttle_time_ms, error_code) = (reader.i32()?, ErrorCode(reader.i16()?));
        let (producer_id, producer_epoch) =
            if version >= IDENTITY_SINCE { (reader.i64()?, reader.i16()?) } else { (-1, -1) };
        reader.skip_tagged_fields()?;
        Ok(Self { throttle_time_ms, error_code, producer_id, producer_epoch })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        writer.i16(self.error_code.0);
        if version >= IDENTITY_SINCE {
            writer.i64(self.producer_id);
            writer.i16(self.producer_epoch);
        }
        writer.no_tagged_fields();
    }
}
