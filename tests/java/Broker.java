import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * One Kafka broker in one JVM: formats the storage if it is new, then runs Kafka itself. Kafka's own scripts start a
 * second JVM for the formatting, which costs another second per broker.
 *
 * <p>Arguments: server.properties, the storage folder, the cluster id, and what else the formatting is told.
 */
public final class Broker {
    public static void main(String[] arguments) {
        String properties = arguments[0];
        if (!new File(arguments[1], "meta.properties").exists()) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            Stream<String> format = Stream.of("format", "--cluster-id", arguments[2], "--config", properties);
            Stream<String> more = Arrays.stream(arguments).skip(3);
            String[] command = Stream.concat(format, more).toArray(String[]::new);
            int code = kafka.tools.StorageTool.execute(command, new PrintStream(said));
            if (code != 0) {
                System.err.println(said);
                System.exit(code);
            }
        }
        kafka.Kafka.main(new String[] {properties});
    }
}
