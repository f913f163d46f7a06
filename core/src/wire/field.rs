//! The names of all fields of all answers. One list, so that one decoder reads every answer; a field means the same in
//! each answer that has it.

/// A field of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Of the whole answer, or of a partition's part of it.
    ErrorCode,
    /// A text for people.
    ErrorMessage,
    ThrottleTimeMs,

    // ApiVersions.
    ApiKeys,
    ApiKey,
    MinVersion,
    MaxVersion,

    /// An array in a tagged field: what all brokers of the cluster do.
    #[cfg(feature = "transactions")]
    FinalizedFeatures,
    #[cfg(feature = "transactions")]
    FeatureName,
    #[cfg(feature = "transactions")]
    FeatureLevel,

    // FindCoordinator.
    #[cfg(feature = "transactions")]
    Coordinators,

    // InitProducerId, EndTxn and DescribeProducers.
    ProducerId,
    /// 32 bits in DescribeProducers, 16 everywhere else.
    ProducerEpoch,

    // DescribeProducers.
    Producers,
    LastSequence,

    // Metadata, Produce, and DescribeProducers.
    Topics,
    TopicName,
    TopicId,
    /// In a Produce answer one element per partition: its part is complete at the end of the element.
    Partitions,
    PartitionIndex,
    LeaderId,
    LeaderEpoch,

    // Metadata.
    Brokers,
    BrokerNodeId,
    BrokerHost,
    BrokerPort,
    /// Comes before the topic's name.
    TopicErrorCode,
    /// Comes before the partition's index.
    PartitionErrorCode,

    // Produce.
    BaseOffset,
    LogAppendTimeMs,
    LogStartOffset,
    RecordErrors,
    BatchIndex,
    BatchIndexErrorMessage,
    /// A structure in a tagged field.
    CurrentLeader,
    /// An array in a tagged field, behind all partitions.
    NodeEndpoints,
    NodeId,
    NodeHost,
    NodePort,

    // SaslHandshake.
    Mechanisms,
    Mechanism,

    // SaslAuthenticate.
    AuthBytes,
    SessionLifetimeMs,
}
