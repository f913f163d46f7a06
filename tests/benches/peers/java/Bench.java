import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own producer: the same command line, payloads and report as every contender; see harness/src.
 *
 * <p>Nothing is warmed up: the CPU of the JIT compiler is what users pay, too. CPU has the system's resolution of 10 ms.
 * Waits lack those of the JVM's threads that ended meanwhile, of which there are few.
 */
public class Bench {
    private static final long SEED = 0x9E37_79B9_7F4A_7C15L;
    private static final int VALUES = 1024;
    private static final byte[] TEXT = "{\"sensor\":\"boiler-7\",\"unit\":\"degC\",\"quality\":\"good\"}"
            .getBytes(StandardCharsets.UTF_8);
    private static final Set<String> MODES = Set.of("forget", "callback", "handle", "future", "sync", "rate");

    private final Map<String, String> options = new HashMap<>(Map.ofEntries(
            Map.entry("--bootstrap", "127.0.0.1:9092"),
            Map.entry("--topic", "bench"),
            Map.entry("--partitions", "6"),
            Map.entry("--records", "100000"),
            Map.entry("--size", "100"),
            Map.entry("--keys", "false"),
            Map.entry("--mode", "forget"),
            Map.entry("--threads", "1"),
            Map.entry("--rate", "100"),
            Map.entry("--compression", "none"),
            Map.entry("--linger-ms", "5"),
            Map.entry("--batch-bytes", "131072"),
            Map.entry("--buffer-bytes", "33554432")));
    private final String topic;
    private final String mode;
    private final boolean keys;
    private final int records;
    private final int size;
    private final int threads;
    private final int rate;
    private final int window;

    private final byte[][] payloads;
    private final AtomicLong acknowledged = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private final long[] latencies;

    public static void main(String[] arguments) throws Exception {
        new Bench(arguments).run();
    }

    private Bench(String[] arguments) {
        for (int at = 0; at < arguments.length; at += 2) {
            if (options.replace(arguments[at], arguments[at + 1]) == null) {
                throw new IllegalArgumentException("there is no option " + arguments[at]);
            }
        }
        topic = options.get("--topic");
        mode = options.get("--mode");
        if (!MODES.contains(mode)) {
            throw new IllegalArgumentException("there is no mode " + mode);
        }
        keys = Boolean.parseBoolean(options.get("--keys"));
        records = number("--records");
        size = number("--size");
        threads = number("--threads");
        rate = number("--rate");
        window = Math.max(1, number("--buffer-bytes") / (size + 70));
        payloads = payloads();
        latencies = new long[mode.equals("sync") ? records : 0];
        if (mode.equals("sync") && threads != 1) {
            throw new IllegalArgumentException("one thread sends one at a time");
        }
    }

    private int number(String option) {
        return Integer.parseInt(options.get(option));
    }

    private byte[][] payloads() {
        byte[][] payloads = new byte[VALUES][size];
        long random = SEED;
        for (byte[] payload : payloads) {
            for (int at = 0; at < size; at++) {
                random = next(random);
                payload[at] = at < size / 2 ? (byte) (random >> 24) : TEXT[at % TEXT.length];
            }
        }
        return payloads;
    }

    /** The number after this one in the sequence (xorshift) that makes the values, and is the keys. */
    private static long next(long random) {
        random ^= random << 13;
        random ^= random >>> 7;
        return random ^ random << 17;
    }

    private void run() throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", options.get("--bootstrap"));
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("compression.type", options.get("--compression"));
        settings.put("linger.ms", options.get("--linger-ms"));
        settings.put("batch.size", options.get("--batch-bytes"));
        settings.put("buffer.memory", options.get("--buffer-bytes"));
        var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        producer.partitionsFor(topic);

        double[] cpuBefore = cpu();
        long waitsBefore = waits(Path.of("/proc/self/task"));
        long begun = System.nanoTime();
        // Its threads outlive their work, so that their waits can be counted.
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Future<?>> senders = new ArrayList<>();
            for (int thread = 0; thread < threads; thread++) {
                int number = thread;
                senders.add(executor.submit(() -> {
                    send(producer, number, begun);
                    return null;
                }));
            }
            for (Future<?> sender : senders) {
                sender.get();
            }
            producer.flush();
            double seconds = (System.nanoTime() - begun) / 1e9;
            long waits = waits(Path.of("/proc/self/task")) - waitsBefore;
            double[] cpu = cpu();
            report(seconds, cpu[0] - cpuBefore[0], cpu[1] - cpuBefore[1], waits);
        } finally {
            executor.shutdownNow();
        }
        producer.close();
    }

    private void send(KafkaProducer<byte[], byte[]> producer, int thread, long begun) throws Exception {
        Callback count = (metadata, error) -> (error == null ? acknowledged : failed).incrementAndGet();
        boolean kept = mode.equals("handle") || mode.equals("future");
        boolean sync = mode.equals("sync");
        boolean paced = mode.equals("rate");
        ArrayDeque<Future<RecordMetadata>> pending = new ArrayDeque<>();
        long random = SEED + thread;
        for (int index = thread; index < records; index += threads) {
            if (paced) {
                long due = begun + (long) ((double) index / rate * 1e9);
                for (long left; (left = due - System.nanoTime()) > 0; ) {
                    LockSupport.parkNanos(left);
                }
            }
            byte[] key = null;
            if (keys) {
                random = next(random);
                key = ByteBuffer.allocate(Long.BYTES).putLong(random).array();
            }
            var record = new ProducerRecord<>(topic, key, payloads[index % VALUES]);
            if (sync) {
                long sent = System.nanoTime();
                await(producer.send(record));
                latencies[index] = System.nanoTime() - sent;
            } else if (kept) {
                pending.add(producer.send(record));
                if (pending.size() >= window) {
                    await(pending.remove());
                }
            } else {
                producer.send(record, count);
            }
        }
        for (Future<RecordMetadata> future : pending) {
            await(future);
        }
    }

    private void await(Future<RecordMetadata> future) throws InterruptedException {
        try {
            future.get();
            acknowledged.incrementAndGet();
        } catch (ExecutionException error) {
            failed.incrementAndGet();
        }
    }

    private void report(double seconds, double user, double system, long waits) throws Exception {
        Arrays.sort(latencies);
        Path status = Path.of("/proc/self/status");
        System.out.printf(
                Locale.ROOT,
                "{\"records\":%d,\"acknowledged\":%d,\"failed\":%d,\"seconds\":%.6f,\"user\":%.6f,\"system\":%.6f,"
                        + "\"cpu_ns\":%.2f,\"waits\":%d,\"rss_kib\":%d,\"peak_kib\":%d,"
                        + "\"p50_us\":%s,\"p99_us\":%s,\"p999_us\":%s}%n",
                records, acknowledged.get(), failed.get(), seconds, user, system,
                (user + system) * 1e9 / records, waits, field(status, "VmRSS:"), field(status, "VmHWM:"),
                quantile(0.5), quantile(0.99), quantile(0.999));
    }

    private String quantile(double share) {
        if (latencies.length == 0) {
            return "null";
        }
        int at = Math.min((int) (latencies.length * share), latencies.length - 1);
        return String.format(Locale.ROOT, "%.1f", latencies[at] / 1e3);
    }

    /** User and system seconds of this process. */
    private static double[] cpu() throws Exception {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return new double[] {Long.parseLong(fields[11]) / 100.0, Long.parseLong(fields[12]) / 100.0};
    }

    /** Voluntary context switches of all threads that there are. */
    private static long waits(Path tasks) throws Exception {
        long waits = 0;
        try (var threads = Files.newDirectoryStream(tasks)) {
            for (Path thread : threads) {
                try {
                    waits += waitsOf(thread.resolve("status"));
                } catch (NoSuchFileException ended) {
                    continue;
                }
            }
        }
        return waits;
    }

    private static long waitsOf(Path status) throws Exception {
        return field(status, "voluntary_ctxt_switches:");
    }

    private static long field(Path status, String name) throws Exception {
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith(name)) {
                return Long.parseLong(line.substring(name.length()).trim().split(" ")[0]);
            }
        }
        return 0;
    }
}
