import org.apache.kafka.common.compress.*;
import org.apache.kafka.common.utils.*;
import java.io.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.zip.CRC32;

/**
 * Writes tests/golden/compression_java431.tsv with Kafka's own codecs: type, level, bytes of telemetry, their CRC-32, bytes
 * compressed, and for short ones those bytes in hex. With "time" it prints MB/s of compressing instead.
 * java -cp 'libs/*' CompressionGolden.java [time]
 */
public class CompressionGolden {
    /** The same lines as `telemetry` in core/host/src/compression/tests.rs. */
    static byte[] telemetry(int bytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        long state = 1, at = 1_790_000_000_000L, celsius = 210;
        for (int i = 0; out.size() < bytes; i++) {
            long[] draws = new long[5];
            for (int d = 0; d < draws.length; d++) {
                state = state * 6364136223846793005L + 1442695040888963407L;
                draws[d] = state >>> 40;
            }
            at += 100 + draws[0] % 20;
            celsius += draws[1] % 5 - 2;
            String line = "{\"device\":\"gateway-" + draws[2] % 40 + "\",\"sensor\":\"temperature-" + draws[3] % 8 + "\",\"at\":" + at
                + ",\"tenths\":" + celsius + ",\"rssi\":-" + (40 + draws[4] % 30) + ",\"seq\":" + i + ",\"ok\":true}\n";
            out.writeBytes(line.getBytes(StandardCharsets.US_ASCII));
        }
        return Arrays.copyOf(out.toByteArray(), bytes);
    }

    static byte[] compress(Compression codec, byte[] plain) throws IOException {
        ByteBufferOutputStream buffer = new ByteBufferOutputStream(ByteBuffer.allocate(plain.length + 1024));
        try (OutputStream out = codec.wrapForOutput(buffer, (byte) 2)) {
            // In pieces, as records come.
            for (int at = 0; at < plain.length; at += 100) out.write(plain, at, Math.min(100, plain.length - at));
        }
        ByteBuffer b = buffer.buffer();
        b.flip();
        byte[] packed = new byte[b.remaining()];
        b.get(packed);
        return packed;
    }

    public static void main(String[] args) throws IOException {
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("gzip\t-1", Compression.gzip().build());
        codecs.put("gzip\t1", Compression.gzip().level(1).build());
        codecs.put("gzip\t9", Compression.gzip().level(9).build());
        codecs.put("snappy\t-", Compression.snappy().build());
        codecs.put("lz4\t-", Compression.lz4().build());
        codecs.put("zstd\t3", Compression.zstd().build());
        codecs.put("zstd\t1", Compression.zstd().level(1).build());
        codecs.put("zstd\t6", Compression.zstd().level(6).build());
        for (var codec : codecs.entrySet()) {
            for (int bytes : new int[] {0, 300, 16_000, 128_000, 250_000}) {
                byte[] plain = telemetry(bytes);
                if (args.length > 0) {
                    if (bytes >= 16_000) time(codec.getKey(), codec.getValue(), plain);
                    continue;
                }
                CRC32 crc = new CRC32();
                crc.update(plain);
                byte[] packed = compress(codec.getValue(), plain);
                String hex = bytes > 16_000 ? "" : HexFormat.of().formatHex(packed);
                System.out.println(codec.getKey() + "\t" + bytes + "\t" + crc.getValue() + "\t" + packed.length + "\t" + hex);
            }
        }
    }

    static void time(String name, Compression codec, byte[] plain) throws IOException {
        var thread = java.lang.management.ManagementFactory.getThreadMXBean();
        double best = 0;
        for (int round = 0; round < 6; round++) {
            long start = thread.getCurrentThreadCpuTime(), bytes = 0;
            while (thread.getCurrentThreadCpuTime() - start < 400_000_000L) {
                compress(codec, plain);
                bytes += plain.length;
            }
            best = Math.max(best, bytes * 1e3 / (thread.getCurrentThreadCpuTime() - start));
        }
        System.out.printf("%s\t%d\t%.0f%n", name, plain.length, best);
    }
}
