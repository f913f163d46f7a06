import java.io.File;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.apache.zookeeper.server.NIOServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;

/**
 * The only broker of a cluster from before KRaft, and its ZooKeeper, in one JVM.
 *
 * <p>Arguments: server.properties, the folder for what ZooKeeper stores, its port.
 */
public final class ZooKeeperBroker {
    private static final int TICK_MS = 500;
    private static final int CONNECTIONS_MAX = 10;

    public static void main(String[] arguments) throws Exception {
        File data = new File(arguments[1]);
        ZooKeeperServer server = new ZooKeeperServer(data, data, TICK_MS);
        NIOServerCnxnFactory connections = new NIOServerCnxnFactory();
        InetAddress loopback = InetAddress.getLoopbackAddress();
        connections.configure(new InetSocketAddress(loopback, Integer.parseInt(arguments[2])), CONNECTIONS_MAX);
        connections.startup(server);
        // Those of a broker that was killed. Until they expire it could not register again, and it was in this JVM's place.
        server.getZKDatabase().getSessionWithTimeOuts().keySet().forEach(server::closeSession);
        kafka.Kafka.main(new String[] {arguments[0]});
    }
}
