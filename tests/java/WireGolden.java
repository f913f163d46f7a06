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
    }
}
