import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;

/**
 * Writes tests/golden/config_java431.tsv with Kafka's own classes: each setting of its producer with the default, then the
 * names that only its consumer knows.
 * java -cp kafka-clients-4.3.1.jar:slf4j-api.jar ConfigGolden.java
 */
public class ConfigGolden {
    public static void main(String[] args) {
        for (ConfigDef.ConfigKey key : new TreeMap<>(ProducerConfig.configDef().configKeys()).values()) {
            System.out.println("producer\t" + key.name + "\t" + (key.hasDefault() ? key.defaultValue : "none"));
        }
        TreeSet<String> others = new TreeSet<>(ConsumerConfig.configNames());
        others.removeAll(ProducerConfig.configNames());
        others.forEach(name -> System.out.println("consumer\t" + name));
    }
}
