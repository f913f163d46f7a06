import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.Uuid;
import java.nio.ByteBuffer;
import java.util.*;

/**
 * Writes tests/golden/wire_java431.tsv with Kafka's own classes: kind, API, version, hex of the frame.
 * java -cp kafka-clients-4.3.1.jar:slf4j-api.jar WireGolden.java
 */
public class WireGolden {
    static String hex(ByteBuffer b) { StringBuilder s = new StringBuilder(); while (b.hasRemaining()) s.append(String.format("%02x", b.get())); return s.toString(); }

    static ByteBuffer bytes(Message m, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(m.size(cache, version));
        m.write(new ByteBufferAccessor(b), cache, version);
        b.flip();
        return b;
    }

    static void frame(String kind, ApiKeys api, int version, Message header, int headerVersion, Message body) {
        ByteBuffer h = bytes(header, (short) headerVersion), b = bytes(body, (short) version);
        ByteBuffer all = ByteBuffer.allocate(4 + h.remaining() + b.remaining());
        all.putInt(h.remaining() + b.remaining()).put(h).put(b).flip();
        System.out.println(kind + "\t" + api.name + "\t" + version + "\t" + hex(all));
    }

    static void request(ApiKeys api, int version, Message body) {
        RequestHeaderData h = new RequestHeaderData().setRequestApiKey(api.id).setRequestApiVersion((short) version).setCorrelationId(7).setClientId("gateway-7");
        frame("request", api, version, h, api.requestHeaderVersion((short) version), body);
    }

    static void response(ApiKeys api, int version, Message body) {
        frame("response", api, version, new ResponseHeaderData().setCorrelationId(7), api.responseHeaderVersion((short) version), body);
    }

    static Message metadataRequest(int v) {
        List<MetadataRequestData.MetadataRequestTopic> topics = new ArrayList<>();
        for (String t : List.of("readings", "x")) topics.add(new MetadataRequestData.MetadataRequestTopic().setName(t));
        return new MetadataRequestData().setTopics(topics).setAllowAutoTopicCreation(true);
    }

    static Message metadataResponse(int v) {
        MetadataResponseData d = new MetadataResponseData().setThrottleTimeMs(3).setClusterId("cluster").setControllerId(2);
        d.brokers().add(new MetadataResponseData.MetadataResponseBroker().setNodeId(1).setHost("alpha.example").setPort(9092).setRack("r1"));
        d.brokers().add(new MetadataResponseData.MetadataResponseBroker().setNodeId(2).setHost("beta").setPort(9093));
        MetadataResponseData.MetadataResponseTopic t = new MetadataResponseData.MetadataResponseTopic().setName("readings").setIsInternal(false);
        if (v >= 10) t.setTopicId(new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L));
        for (int p = 0; p < 2; p++) t.partitions().add(new MetadataResponseData.MetadataResponsePartition().setErrorCode((short) (p * 5)).setPartitionIndex(p).setLeaderId(p + 1).setLeaderEpoch(40 + p).setReplicaNodes(List.of(1, 2)).setIsrNodes(List.of(1)).setOfflineReplicas(p == 0 ? List.of() : List.of(2)));
        d.topics().add(t);
        d.topics().add(new MetadataResponseData.MetadataResponseTopic().setName("x").setErrorCode((short) 3));
        if (v >= 13) d.setErrorCode((short) 129);
        return d;
    }

    /** Ids as of version 13, names before. */
    static final Uuid[] IDS = {new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L), new Uuid(0x1112131415161718L, 0x191a1b1c1d1e1f20L)};

    static Message produceRequest(int v) {
        ProduceRequestData d = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30000);
        String[] names = {"readings", "x"};
        int[][] partitions = {{0, 2}, {1}};
        for (int i = 0; i < 2; i++) {
            ProduceRequestData.TopicProduceData t = new ProduceRequestData.TopicProduceData();
            if (v >= 13) t.setTopicId(IDS[i]); else t.setName(names[i]);
            for (int p : partitions[i]) {
                byte[] records = new byte[p == 2 ? 200 : 3];
                Arrays.fill(records, (byte) 0xab);
                t.partitionData().add(new ProduceRequestData.PartitionProduceData().setIndex(p).setRecords(org.apache.kafka.common.record.internal.MemoryRecords.readableRecords(ByteBuffer.wrap(records))));
            }
            d.topicData().add(t);
        }
        return d;
    }

    static Message produceResponse(int v) {
        ProduceResponseData d = new ProduceResponseData().setThrottleTimeMs(9);
        ProduceResponseData.TopicProduceResponse t = new ProduceResponseData.TopicProduceResponse();
        if (v >= 13) t.setTopicId(IDS[0]); else t.setName("readings");
        t.partitionResponses().add(new ProduceResponseData.PartitionProduceResponse().setIndex(0).setBaseOffset(1234567890123L).setLogAppendTimeMs(-1).setLogStartOffset(5));
        ProduceResponseData.PartitionProduceResponse bad = new ProduceResponseData.PartitionProduceResponse().setIndex(2).setErrorCode((short) 87).setBaseOffset(-1).setLogStartOffset(-1);
        if (v >= 8) bad.setErrorMessage("ungültig").setRecordErrors(List.of(new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(4).setBatchIndexErrorMessage("no key"), new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(6)));
        t.partitionResponses().add(bad);
        d.responses().add(t);
        ProduceResponseData.TopicProduceResponse u = new ProduceResponseData.TopicProduceResponse();
        if (v >= 13) u.setTopicId(IDS[1]); else u.setName("x");
        ProduceResponseData.PartitionProduceResponse moved = new ProduceResponseData.PartitionProduceResponse().setIndex(1).setErrorCode((short) 6).setBaseOffset(-1).setLogStartOffset(-1);
        if (v >= 10) moved.setCurrentLeader(new ProduceResponseData.LeaderIdAndEpoch().setLeaderId(2).setLeaderEpoch(41));
        u.partitionResponses().add(moved);
        d.responses().add(u);
        if (v >= 10) d.nodeEndpoints().add(new ProduceResponseData.NodeEndpoint().setNodeId(2).setHost("beta").setPort(9093).setRack("r2"));
        return d;
    }

    static Message apiVersionsResponse(int v) {
        ApiVersionsResponseData d = new ApiVersionsResponseData().setThrottleTimeMs(v > 0 ? 1 : 0);
        int[][] keys = {{0, 0, 13}, {3, 0, 13}, {18, 0, 4}, {22, 0, 5}, {1, 4, 18}};
        for (int[] k : keys) d.apiKeys().add(new ApiVersionsResponseData.ApiVersion().setApiKey((short) k[0]).setMinVersion((short) k[1]).setMaxVersion((short) k[2]));
        if (v >= 3) {
            d.setFinalizedFeaturesEpoch(77);
            d.supportedFeatures().add(new ApiVersionsResponseData.SupportedFeatureKey().setName("metadata.version").setMinVersion((short) 1).setMaxVersion((short) 27));
            d.finalizedFeatures().add(new ApiVersionsResponseData.FinalizedFeatureKey().setName("metadata.version").setMinVersionLevel((short) 27).setMaxVersionLevel((short) 27));
        }
        return d;
    }

    static Message describeProducersRequest() {
        DescribeProducersRequestData d = new DescribeProducersRequestData();
        d.topics().add(new DescribeProducersRequestData.TopicRequest().setName("readings").setPartitionIndexes(List.of(2)));
        return d;
    }

    static Message describeProducersResponse() {
        DescribeProducersResponseData.PartitionResponse p = new DescribeProducersResponseData.PartitionResponse().setPartitionIndex(2);
        p.activeProducers().add(new DescribeProducersResponseData.ProducerState().setProducerId(4000).setProducerEpoch(3).setLastSequence(2147483647).setLastTimestamp(1700000000000L).setCoordinatorEpoch(-1));
        p.activeProducers().add(new DescribeProducersResponseData.ProducerState().setProducerId(4001).setProducerEpoch(0).setLastSequence(17).setLastTimestamp(5).setCoordinatorEpoch(8).setCurrentTxnStartOffset(99));
        DescribeProducersResponseData.PartitionResponse q = new DescribeProducersResponseData.PartitionResponse().setPartitionIndex(3).setErrorCode((short) 6).setErrorMessage("not here");
        DescribeProducersResponseData d = new DescribeProducersResponseData().setThrottleTimeMs(4);
        d.topics().add(new DescribeProducersResponseData.TopicResponse().setName("readings").setPartitions(List.of(p, q)));
        return d;
    }

    static void transactions() {
        for (int v = 3; v <= 6; v++) {
            FindCoordinatorRequestData d = new FindCoordinatorRequestData().setKeyType((byte) 1);
            if (v < 4) d.setKey("line-3"); else d.setCoordinatorKeys(List.of("line-3"));
            request(ApiKeys.FIND_COORDINATOR, v, d);
            FindCoordinatorResponseData r = new FindCoordinatorResponseData().setThrottleTimeMs(2);
            if (v < 4) r.setErrorCode((short) 15).setErrorMessage("not yet").setNodeId(3).setHost("gamma").setPort(9094);
            else r.coordinators().add(new FindCoordinatorResponseData.Coordinator().setKey("line-3").setNodeId(3).setHost("gamma").setPort(9094).setErrorCode((short) 15).setErrorMessage("not yet"));
            response(ApiKeys.FIND_COORDINATOR, v, r);
        }
        AddPartitionsToTxnRequestData add = new AddPartitionsToTxnRequestData().setV3AndBelowTransactionalId("line-3").setV3AndBelowProducerId(4000).setV3AndBelowProducerEpoch((short) 12);
        add.v3AndBelowTopics().add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("readings").setPartitions(List.of(0, 2)));
        add.v3AndBelowTopics().add(new AddPartitionsToTxnRequestData.AddPartitionsToTxnTopic().setName("x").setPartitions(List.of(1)));
        request(ApiKeys.ADD_PARTITIONS_TO_TXN, 3, add);
        AddPartitionsToTxnResponseData added = new AddPartitionsToTxnResponseData().setThrottleTimeMs(2);
        AddPartitionsToTxnResponseData.AddPartitionsToTxnTopicResult result = new AddPartitionsToTxnResponseData.AddPartitionsToTxnTopicResult().setName("readings");
        for (int p = 0; p <= 2; p += 2) result.resultsByPartition().add(new AddPartitionsToTxnResponseData.AddPartitionsToTxnPartitionResult().setPartitionIndex(p).setPartitionErrorCode((short) (p * 25)));
        added.resultsByTopicV3AndBelow().add(result);
        response(ApiKeys.ADD_PARTITIONS_TO_TXN, 3, added);
        for (int v = 3; v <= 4; v++) {
            request(ApiKeys.ADD_OFFSETS_TO_TXN, v, new AddOffsetsToTxnRequestData().setTransactionalId("line-3").setProducerId(4000).setProducerEpoch((short) 12).setGroupId("press"));
            response(ApiKeys.ADD_OFFSETS_TO_TXN, v, new AddOffsetsToTxnResponseData().setThrottleTimeMs(2).setErrorCode((short) 51));
        }
        for (int v = 3; v <= 5; v++) {
            request(ApiKeys.END_TXN, v, new EndTxnRequestData().setTransactionalId("line-3").setProducerId(4000).setProducerEpoch((short) 12).setCommitted(true));
            EndTxnResponseData ended = new EndTxnResponseData().setThrottleTimeMs(2).setErrorCode((short) 0);
            if (v >= 5) ended.setProducerId(4001).setProducerEpoch((short) 13);
            response(ApiKeys.END_TXN, v, ended);
            TxnOffsetCommitRequestData offsets = new TxnOffsetCommitRequestData().setTransactionalId("line-3").setGroupId("press").setProducerId(4000).setProducerEpoch((short) 12).setGenerationId(9).setMemberId("m-1").setGroupInstanceId(null);
            offsets.topics().add(new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic().setName("readings").setPartitions(List.of(
                new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(0).setCommittedOffset(1234567890123L).setCommittedLeaderEpoch(7).setCommittedMetadata("done"),
                new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(2).setCommittedOffset(5).setCommittedMetadata(""))));
            request(ApiKeys.TXN_OFFSET_COMMIT, v, offsets);
            TxnOffsetCommitResponseData kept = new TxnOffsetCommitResponseData().setThrottleTimeMs(2);
            kept.topics().add(new TxnOffsetCommitResponseData.TxnOffsetCommitResponseTopic().setName("readings").setPartitions(List.of(
                new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(0),
                new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(2).setErrorCode((short) 50))));
            response(ApiKeys.TXN_OFFSET_COMMIT, v, kept);
        }
        for (int v = 9; v <= 13; v += 4) {
            ProduceRequestData d = (ProduceRequestData) produceRequest(v);
            request(ApiKeys.PRODUCE, v, d.setTransactionalId("line-3"));
        }
        // What follows are second answers and requests of their kind; the golden tests above take the first.
        ApiVersionsResponseData features = (ApiVersionsResponseData) apiVersionsResponse(4);
        features.finalizedFeatures().add(new ApiVersionsResponseData.FinalizedFeatureKey().setName("transaction.version").setMinVersionLevel((short) 0).setMaxVersionLevel((short) 2));
        response(ApiKeys.API_VERSIONS, 4, features);
    }

    public static void main(String[] args) {
        for (int v : new int[] {0, 3, 4}) {
            ApiVersionsRequestData d = new ApiVersionsRequestData();
            request(ApiKeys.API_VERSIONS, v, v == 0 ? d : d.setClientSoftwareName("felice").setClientSoftwareVersion("0.1.0"));
            response(ApiKeys.API_VERSIONS, v, apiVersionsResponse(v));
        }
        for (int v = 7; v <= 13; v++) { request(ApiKeys.METADATA, v, metadataRequest(v)); response(ApiKeys.METADATA, v, metadataResponse(v)); }
        for (int v = 7; v <= 13; v++) { request(ApiKeys.PRODUCE, v, produceRequest(v)); response(ApiKeys.PRODUCE, v, produceResponse(v)); }
        for (int v = 0; v <= 5; v++) {
            request(ApiKeys.INIT_PRODUCER_ID, v, new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(60000));
            response(ApiKeys.INIT_PRODUCER_ID, v, new InitProducerIdResponseData().setThrottleTimeMs(2).setErrorCode((short) 0).setProducerId(4000).setProducerEpoch((short) 12));
        }
        request(ApiKeys.SASL_HANDSHAKE, 1, new SaslHandshakeRequestData().setMechanism("SCRAM-SHA-256"));
        response(ApiKeys.SASL_HANDSHAKE, 1, new SaslHandshakeResponseData().setErrorCode((short) 33).setMechanisms(List.of("PLAIN", "SCRAM-SHA-512")));
        for (int v = 0; v <= 2; v++) {
            request(ApiKeys.SASL_AUTHENTICATE, v, new SaslAuthenticateRequestData().setAuthBytes("\u0000alice\u0000secret".getBytes()));
            SaslAuthenticateResponseData d = new SaslAuthenticateResponseData().setErrorCode((short) 58).setErrorMessage("wrong").setAuthBytes("v=abcd".getBytes());
            if (v > 0) d.setSessionLifetimeMs(3600000);
            response(ApiKeys.SASL_AUTHENTICATE, v, d);
        }
        request(ApiKeys.DESCRIBE_PRODUCERS, 0, describeProducersRequest());
        response(ApiKeys.DESCRIBE_PRODUCERS, 0, describeProducersResponse());
        transactions();
    }
}
