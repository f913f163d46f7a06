import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own clients behind standard input and output: what they read, write and decide is what the tests compare
 * felice with. One JVM serves a whole test binary.
 *
 * <p>A request is a command byte and its arguments. The answer is a stream of values that ends with {@code DONE}, or
 * with {@code FAILED} and a message, also in the middle of a long answer. Integers are big-endian; bytes and texts have
 * an int length before them, -1 for null. The other side is {@code tests/src/java}.
 */
public final class Oracle {
    private static final int VALUE = 1;
    private static final int DONE = 0;
    private static final int FAILED = 2;
    private static final Duration POLL = Duration.ofMillis(200);

    private final String bootstrap;
    private final DataInputStream in;
    private final DataOutputStream out;
    private final Admin admin;
    private KafkaProducer<byte[], byte[]> producer;

    private Oracle(String bootstrap, DataInputStream in, DataOutputStream out) {
        this.bootstrap = bootstrap;
        this.in = in;
        this.out = out;
        this.admin = Admin.create(settings());
    }

    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(FileDescriptor.in)));
        DataOutputStream out =
            new DataOutputStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16));
        System.setOut(System.err); // Nothing but answers may go to standard output.
        new Oracle(arguments[0], in, out).serve();
        // The clients' threads are not waited for: whoever asked is gone.
        Runtime.getRuntime().halt(0);
    }

    private void serve() throws IOException {
        while (true) {
            int command;
            try {
                command = in.readUnsignedByte();
            } catch (EOFException gone) {
                return;
            }
            try {
                answer(command);
                out.writeByte(DONE);
            } catch (ExecutionException | InterruptedException | RuntimeException problem) {
                Throwable cause = problem instanceof ExecutionException ? problem.getCause() : problem;
                out.writeByte(FAILED);
                writeText(cause.toString());
            }
            out.flush();
        }
    }

    private void answer(int command) throws IOException, ExecutionException, InterruptedException {
        switch (command) {
            case 'c' -> createTopic();
            case 'd' -> admin.deleteTopics(List.of(readText())).all().get();
            case 'e' -> endOffsets(readText());
            case 'l' -> leaders(readText());
            case 'g' -> topicSetting(readText(), readText());
            case 'm' -> reassign(new TopicPartition(readText(), in.readInt()), readInts());
            case 'w' -> electPreferred(new TopicPartition(readText(), in.readInt()));
            case 'r' -> read(readText(), in.readLong(), "read_uncommitted");
            case 'R' -> read(readText(), in.readLong(), "read_committed");
            case 'o' -> groupOffset(readText(), new TopicPartition(readText(), in.readInt()));
            case 'p' -> produce();
            case 'k' -> partitionsForKeys();
            case 'q' -> controller();
            case 'u' -> limit(readText(), in.readLong());
            default -> throw new IllegalArgumentException("unknown command " + command);
        }
    }

    private void createTopic() throws IOException, ExecutionException, InterruptedException {
        String name = readText();
        int partitions = in.readInt();
        short replication = in.readShort();
        Map<Integer, List<Integer>> assignments = new HashMap<>();
        for (int partition = 0, count = in.readInt(); partition < count; partition++) {
            assignments.put(partition, readInts());
        }
        Map<String, String> configs = new HashMap<>();
        for (int left = in.readInt(); left > 0; left--) {
            String setting = readText();
            configs.put(setting, readText());
        }
        NewTopic topic = assignments.isEmpty()
            ? new NewTopic(
                name, Optional.of(partitions), replication < 0 ? Optional.empty() : Optional.of(replication))
            : new NewTopic(name, assignments);
        admin.createTopics(List.of(topic.configs(configs))).all().get();
    }

    private List<TopicPartition> partitions(String topic) throws ExecutionException, InterruptedException {
        return describe(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList();
    }

    private List<TopicPartitionInfo> describe(String topic) throws ExecutionException, InterruptedException {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
    }

    private void leaders(String topic) throws IOException, ExecutionException, InterruptedException {
        for (TopicPartitionInfo info : describe(topic)) {
            out.writeByte(VALUE);
            out.writeInt(info.partition());
            out.writeInt(info.leader() == null || info.leader().isEmpty() ? -1 : info.leader().id());
            writeIds(info.replicas());
            writeIds(info.isr());
        }
    }

    private void topicSetting(String topic, String setting)
        throws IOException, ExecutionException, InterruptedException {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        out.writeByte(VALUE);
        writeText(admin.describeConfigs(List.of(resource)).all().get().get(resource).get(setting).value());
    }

    private void reassign(TopicPartition partition, List<Integer> replicas)
        throws ExecutionException, InterruptedException {
        Optional<NewPartitionReassignment> wanted = Optional.of(new NewPartitionReassignment(replicas));
        admin.alterPartitionReassignments(Map.of(partition, wanted)).all().get();
    }

    private void electPreferred(TopicPartition partition) throws ExecutionException, InterruptedException {
        Optional<Throwable> problem =
            admin.electLeaders(ElectionType.PREFERRED, Set.of(partition)).partitions().get().get(partition);
        // The first replica leads already.
        if (problem.isPresent() && !(problem.get() instanceof ElectionNotNeededException)) {
            throw new ExecutionException(problem.get());
        }
    }

    private void controller() throws IOException, ExecutionException, InterruptedException {
        out.writeByte(VALUE);
        out.writeInt(admin.describeMetadataQuorum().quorumInfo().get().leaderId());
    }

    private void limit(String clientId, long bytesPerSecond) throws ExecutionException, InterruptedException {
        ClientQuotaEntity client = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, clientId));
        var limit = new ClientQuotaAlteration.Op("producer_byte_rate", (double) bytesPerSecond);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(client, List.of(limit)))).all().get();
    }

    private void endOffsets(String topic) throws IOException, ExecutionException, InterruptedException {
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        partitions(topic).forEach(partition -> latest.put(partition, OffsetSpec.latest()));
        // Each leader is asked: one that has not heard that it is one refuses.
        var ends = admin.listOffsets(latest).all().get();
        for (TopicPartition partition : latest.keySet()) {
            out.writeByte(VALUE);
            out.writeInt(partition.partition());
            out.writeLong(ends.get(partition).offset());
        }
    }

    private void read(String topic, long timeoutMs, String isolation) throws IOException, ExecutionException, InterruptedException {
        List<TopicPartition> partitions = partitions(topic);
        long deadline = System.nanoTime() + timeoutMs * 1_000_000;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(isolation)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            // Of what is committed the end is where the first open transaction begins.
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            // Positions, not offsets of records: a transaction's markers have offsets, too.
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    if (record.offset() < ends.get(new TopicPartition(topic, record.partition()))) {
                        out.writeByte(VALUE);
                        writeRecord(record);
                    }
                }
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the end " + ends + " was not reached in " + timeoutMs + " ms");
                }
            }
        }
    }

    /** The offset that a group has committed, or -1. */
    private void groupOffset(String group, TopicPartition partition) throws IOException, ExecutionException, InterruptedException {
        var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        out.writeByte(VALUE);
        out.writeLong(offsets.get(partition) == null ? -1 : offsets.get(partition).offset());
    }

    private void writeRecord(ConsumerRecord<byte[], byte[]> record) throws IOException {
        out.writeInt(record.partition());
        out.writeLong(record.offset());
        out.writeLong(record.timestamp());
        writeBytes(record.key());
        writeBytes(record.value());
        Header[] headers = record.headers().toArray();
        out.writeInt(headers.length);
        for (Header header : headers) {
            writeText(header.key());
            writeBytes(header.value());
        }
    }

    private void produce() throws IOException, ExecutionException, InterruptedException {
        String topic = readText();
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            records.add(readRecord(topic));
        }
        if (producer == null) {
            producer = new KafkaProducer<>(settings(), new ByteArraySerializer(), new ByteArraySerializer());
        }
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            sent.add(producer.send(record));
        }
        producer.flush();
        for (Future<RecordMetadata> future : sent) {
            RecordMetadata metadata = future.get();
            out.writeByte(VALUE);
            out.writeInt(metadata.partition());
            out.writeLong(metadata.offset());
            out.writeLong(metadata.timestamp());
        }
    }

    private ProducerRecord<byte[], byte[]> readRecord(String topic) throws IOException {
        int partition = in.readInt();
        long timestamp = in.readLong();
        byte[] key = readBytes();
        byte[] value = readBytes();
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
            topic, partition < 0 ? null : partition, timestamp < 0 ? null : timestamp, key, value);
        for (int left = in.readInt(); left > 0; left--) {
            String name = readText();
            record.headers().add(name, readBytes());
        }
        return record;
    }

    private void partitionsForKeys() throws IOException {
        int partitions = in.readInt();
        List<byte[]> keys = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            keys.add(readBytes());
        }
        for (byte[] key : keys) {
            out.writeByte(VALUE);
            out.writeInt(BuiltInPartitioner.partitionForKey(key, partitions));
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer(String isolation) {
        Map<String, Object> settings = settings();
        settings.put("isolation.level", isolation);
        settings.put("allow.auto.create.topics", false);
        settings.put("max.poll.records", 10_000);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Map<String, Object> settings() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("client.id", "oracle");
        return settings;
    }

    private List<Integer> readInts() throws IOException {
        List<Integer> values = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            values.add(in.readInt());
        }
        return values;
    }

    private String readText() throws IOException {
        return new String(readBytes(), StandardCharsets.UTF_8);
    }

    private byte[] readBytes() throws IOException {
        int length = in.readInt();
        return length < 0 ? null : in.readNBytes(length);
    }

    private void writeIds(List<Node> nodes) throws IOException {
        out.writeInt(nodes.size());
        for (Node node : nodes) {
            out.writeInt(node.id());
        }
    }

    private void writeText(String text) throws IOException {
        writeBytes(text.getBytes(StandardCharsets.UTF_8));
    }

    private void writeBytes(byte[] bytes) throws IOException {
        if (bytes == null) {
            out.writeInt(-1);
        } else {
            out.writeInt(bytes.length);
            out.write(bytes);
        }
    }
}
