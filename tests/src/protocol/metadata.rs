//! Metadata: brokers, topics, partitions, leaders.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Uuid, Writer, ZERO_UUID};

/// What stands where authorized operations were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

/// Metadata request, versions 0 to 13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataRequest<'a> {
    /// The topics; null asks for all of them (an empty list does in version 0).
    pub topics: Option<Vec<MetadataRequestTopic<'a>>>,
    /// From version 4 on: the broker may create topics that are missing.
    pub allow_auto_topic_creation: bool,
    /// Versions 8 to 10.
    pub include_cluster_authorized_operations: bool,
    /// From version 8 on.
    pub include_topic_authorized_operations: bool,
}

/// A topic asked for by name or, from version 12 on, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataRequestTopic<'a> {
    /// From version 10 on.
    pub topic_id: Uuid,
    /// Null (from version 10 on) when asked for by id.
    pub name: Option<&'a str>,
}

impl<'a> MetadataRequest<'a> {
    /// Asks for all topics.
    pub fn all() -> Self {
        Self {
            topics: None,
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }

    /// Asks for topics by name, and lets the broker create them.
    pub fn of_topics(names: impl IntoIterator<Item = &'a str>) -> Self {
        let topic = |name| MetadataRequestTopic { topic_id: ZERO_UUID, name: Some(name) };
        Self { topics: Some(names.into_iter().map(topic).collect()), ..Self::all() }
    }
}

impl<'a> Message<'a> for MetadataRequest<'a> {
    const API_KEY: ApiKey = ApiKey::METADATA;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let topics = reader.nullable_array(|reader| {
            let topic_id = if version >= 10 { reader.uuid()? } else { ZERO_UUID };
            let name = if version >= 10 { reader.nullable_string()? } else { Some(reader.string()?) };
            reader.skip_tagged_fields()?;
            Ok(MetadataRequestTopic { topic_id, name })
        })?;
        let mut request = Self { topics, ..Self::all() };
        if version >= 4 {
            request.allow_auto_topic_creation = reader.bool()?;
        }
        if (8..=10).contains(&version) {
            request.include_cluster_authorized_operations = reader.bool()?;
        }
        if version >= 8 {
            request.include_topic_authorized_operations = reader.bool()?;
        }
        reader.skip_tagged_fields()?;
        Ok(request)
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.nullable_array(self.topics.as_deref(), |writer, topic| {
            if version >= 10 {
                writer.uuid(&topic.topic_id);
                writer.nullable_string(topic.name);
            } else {
                writer.string(topic.name.unwrap_or_default());
            }
            writer.no_tagged_fields();
        });
        if version >= 4 {
            writer.bool(self.allow_auto_topic_creation);
        }
        if (8..=10).contains(&version) {
            writer.bool(self.include_cluster_authorized_operations);
        }
        if version >= 8 {
            writer.bool(self.include_topic_authorized_operations);
        }
        writer.no_tagged_fields();
    }
}

/// Metadata response, versions 0 to 13.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataResponse<'a> {
    /// From version 3 on.
    pub throttle_time_ms: i32,
    /// The brokers that are up.
    pub brokers: Vec<MetadataBroker<'a>>,
    /// From version 2 on.
    pub cluster_id: Option<&'a str>,
    /// From version 1 on.
    pub controller_id: i32,
    /// The topics that were asked for.
    pub topics: Vec<MetadataTopic<'a>>,
    /// From version 13 on: the error of the whole request.
    pub error_code: ErrorCode,
}

/// A broker and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataBroker<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// Its host name.
    pub host: &'a str,
    /// Its port.
    pub port: i32,
    /// From version 1 on.
    pub rack: Option<&'a str>,
}

/// A topic, or why it cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataTopic<'a> {
    /// The topic's error.
    pub error_code: ErrorCode,
    /// Null (from version 12 on) when an unknown id was asked for.
    pub name: Option<&'a str>,
    /// From version 10 on.
    pub topic_id: Uuid,
    /// From version 1 on.
    pub is_internal: bool,
    /// Its partitions.
    pub partitions: Vec<MetadataPartition>,
}

/// A partition: who leads it and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataPartition {
    /// The partition's error.
    pub error_code: ErrorCode,
    /// Its number.
    pub partition_index: i32,
    /// The leader's broker id, or -1.
    pub leader_id: i32,
    /// From version 7 on, -1 before.
    pub leader_epoch: i32,
    /// All replicas.
    pub replica_nodes: Vec<i32>,
    /// Those in sync.
    pub isr_nodes: Vec<i32>,
    /// From version 5 on: those that are down.
    pub offline_replicas: Vec<i32>,
}

impl<'a> Message<'a> for MetadataResponse<'a> {
    const API_KEY: ApiKey = ApiKey::METADATA;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let throttle_time_ms = if version >= 3 { reader.i32()? } else { 0 };
        let brokers = reader.array(|reader| decode_broker(version, reader))?;
        let cluster_id = if version >= 2 { reader.nullable_string()? } else { None };
        let controller_id = if version >= 1 { reader.i32()? } else { -1 };
        let topics = reader.array(|reader| decode_topic(version, reader))?;
        if (8..=10).contains(&version) {
            reader.i32()?;
        }
        let error_code = if version >= 13 { ErrorCode(reader.i16()?) } else { ErrorCode::NONE };
        reader.skip_tagged_fields()?;
        Ok(Self { throttle_time_ms, brokers, cluster_id, controller_id, topics, error_code })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        if version >= 3 {
            writer.i32(self.throttle_time_ms);
        }
        writer.array(&self.brokers, |writer, broker| encode_broker(version, writer, broker));
        if version >= 2 {
            writer.nullable_string(self.cluster_id);
        }
        if version >= 1 {
            writer.i32(self.controller_id);
        }
        writer.array(&self.topics, |writer, topic| encode_topic(version, writer, topic));
        if (8..=10).contains(&version) {
            writer.i32(NO_OPERATIONS);
        }
        if version >= 13 {
            writer.i16(self.error_code.0);
        }
        writer.no_tagged_fields();
    }
}

fn decode_broker<'a>(version: i16, reader: &mut Reader<'a>) -> Result<MetadataBroker<'a>, DecodeError> {
    let broker = MetadataBroker {
        node_id: reader.i32()?,
        host: reader.string()?,
        port: reader.i32()?,
        rack: if version >= 1 { reader.nullable_string()? } else { None },
    };
    reader.skip_tagged_fields()?;
    Ok(broker)
}

fn encode_broker(version: i16, writer: &mut Writer, broker: &MetadataBroker<'_>) {
    writer.i32(broker.node_id);
    writer.string(broker.host);
    writer.i32(broker.port);
    if version >= 1 {
        writer.nullable_string(broker.rack);
    }
    writer.no_tagged_fields();
}

fn decode_topic<'a>(version: i16, reader: &mut Reader<'a>) -> Result<MetadataTopic<'a>, DecodeError> {
    let topic = MetadataTopic {
        error_code: ErrorCode(reader.i16()?),
        name: if version >= 12 { reader.nullable_string()? } else { Some(reader.string()?) },
        topic_id: if version >= 10 { reader.uuid()? } else { ZERO_UUID },
        is_internal: if version >= 1 { reader.bool()? } else { false },
        partitions: reader.array(|reader| decode_partition(version, reader))?,
    };
    if version >= 8 {
        reader.i32()?;
    }
    reader.skip_tagged_fields()?;
    Ok(topic)
}

fn encode_topic(version: i16, writer: &mut Writer, topic: &MetadataTopic<'_>) {
    writer.i16(topic.error_code.0);
    if version >= 12 {
        writer.nullable_string(topic.name);
    } else {
        writer.string(topic.name.unwrap_or_default());
    }
    if version >= 10 {
        writer.uuid(&topic.topic_id);
    }
    if version >= 1 {
        writer.bool(topic.is_internal);
    }
    writer.array(&topic.partitions, |writer, partition| encode_partition(version, writer, partition));
    if version >= 8 {
        writer.i32(NO_OPERATIONS);
    }
    writer.no_tagged_fields();
}

fn decode_partition(version: i16, reader: &mut Reader<'_>) -> Result<MetadataPartition, DecodeError> {
    let partition = MetadataPartition {
        error_code: ErrorCode(reader.i16()?),
        partition_index: reader.i32()?,
        leader_id: reader.i32()?,
        leader_epoch: if version >= 7 { reader.i32()? } else { -1 },
        replica_nodes: reader.array(Reader::i32)?,
        isr_nodes: reader.array(Reader::i32)?,
        offline_replicas: if version >= 5 { reader.array(Reader::i32)? } else { Vec::new() },
    };
    reader.skip_tagged_fields()?;
    Ok(partition)
}

fn encode_partition(version: i16, writer: &mut Writer, partition: &MetadataPartition) {
    writer.i16(partition.error_code.0);
    writer.i32(partition.partition_index);
    writer.i32(partition.leader_id);
    if version >= 7 {
        writer.i32(partition.leader_epoch);
    }
    let nodes = |writer: &mut Writer, nodes: &[i32]| writer.array(nodes, |writer, node| writer.i32(*node));
    nodes(writer, &partition.replica_nodes);
    nodes(writer, &partition.isr_nodes);
    if version >= 5 {
        nodes(writer, &partition.offline_replicas);
    }
    writer.no_tagged_fields();
}
