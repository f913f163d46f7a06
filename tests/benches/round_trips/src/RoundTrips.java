import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's producer with its defaults, by lines on standard input: "warm TOPIC" makes one and stores a record, "send
 * TOPIC COUNT" makes one unless there is one and stores so many, "close" ends it. Each is answered by its nanoseconds.
 */
public final class RoundTrips {
    private static KafkaProducer<byte[], byte[]> producer;

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        BufferedReader tasks = new BufferedReader(new InputStreamReader(System.in));
        for (String line = tasks.readLine(); line != null; line = tasks.readLine()) {
            String[] words = line.split(" ");
            long begun = System.nanoTime();
            if (words[0].equals("close")) {
                producer.close();
                producer = null;
            } else {
                send(properties, words[1], words[0].equals("warm") ? 1 : Integer.parseInt(words[2]));
            }
            System.out.println(System.nanoTime() - begun);
        }
    }

    private static void send(Properties properties, String topic, int count) throws Exception {
        if (producer == null) {
            producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        }
        byte[] value = new byte[100];
        Future<?> last = null;
        for (int sent = 0; sent < count; sent++) {
            last = producer.send(new ProducerRecord<>(topic, value));
        }
        producer.flush();
        last.get();
    }
}
