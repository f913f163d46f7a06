//! How brokers are reached: the builder's methods for the link.

use std::sync::Arc;
use std::time::Duration;

use super::{Builder, DnsLookup};
use crate::config::sasl::secret;

settings! {
    /// `client.dns.lookup` (KIP-602): what the name of a bootstrap server stands for. Default
    /// [`DnsLookup::UseAllDnsIps`].
    client_dns_lookup: DnsLookup => |s| s.link.lookup = client_dns_lookup;
    /// `proxy.url`: a proxy between this machine and all brokers, `socks5://host:port` (RFC 1928) or `http://host:port`
    /// (CONNECT), with `user:password@` before the host where it wants that. The proxy looks the brokers' names up. TLS goes
    /// through it, and is the broker's; what is said to the proxy is not encrypted. It has nine tenths of
    /// `socket.connection.setup.timeout.ms` to connect. Default: none. A server of tokens is asked without it.
    proxy_url: &str => |s| s.link.proxy_url = secret(proxy_url);
    /// `send.buffer.bytes`: how many bytes a socket holds that the broker has not confirmed; Linux takes twice as much, up
    /// to `net.core.wmem_max`. From 1 on. Default: none, where the system sizes it as the link needs (Java: 128 KiB).
    send_buffer_bytes: usize => |s| s.link.send_buffer = Some(send_buffer_bytes);
    /// `receive.buffer.bytes`: the same of what was not read yet. Answers are small. Default: none (Java: 32 KiB).
    receive_buffer_bytes: usize => |s| s.link.receive_buffer = Some(receive_buffer_bytes);
    /// `socket.keepalive.ms`: after so long without a byte the system asks the other side whether it is there, and again
    /// after as long; three questions without an answer end the connection. It keeps a NAT from forgetting the connection,
    /// and a link awake that costs by the byte. Whole seconds count; 1 s to 9 h. Default zero: none (Java: 2 h, the system's).
    socket_keepalive: Duration => |s| s.link.keepalive = socket_keepalive;
    /// `socket.user.timeout.ms`: what was written and is not confirmed by the other side's TCP for so long ends the
    /// connection (`TCP_USER_TIMEOUT`, RFC 5482): a link that is gone is noticed although `request.timeout.ms` is long. On
    /// Linux only, elsewhere it is refused. Default zero: none.
    socket_user_timeout: Duration => |s| s.link.user_timeout = socket_user_timeout;
    /// `bandwidth.max.bytes.per.sec`: how much all sockets of this producer carry in any second at most, both directions, TLS
    /// and a proxy included, TCP's and IP's headers not: about seven eighths of it are used. Batches grow meanwhile. What brokers send is not held up, but less is
    /// written then. At least so much that a request of `max.request.size` to each of `brokers.max` leaves within
    /// half of `request.timeout.ms`.
    /// Default 0: no limit.
    bandwidth_max_bytes_per_sec: usize => |s| s.link.bandwidth = bandwidth_max_bytes_per_sec;
}

impl<P> Builder<P> {
    /// Where a broker is, for a machine that does not reach it where it says it is: behind a NAT, or through a tunnel. The
    /// function gets the host and the port that the broker (or `bootstrap.servers`) names, and gives those to connect to; none
    /// where they are right. Where it gives several, they are tried as the addresses of one name are, and the first that is
    /// connected is taken; a [proxy](Self::proxy_url) is asked for the next one with each connection.
    ///
    /// It is asked for each connection, on a thread that may wait; a panic in it counts as a name without an address. With TLS
    /// the certificate must name the broker as it names itself.
    ///
    /// ```
    /// # use felice_host::{Builder, BuildError, Settings, Start};
    /// # struct Producer;
    /// # impl Start for Producer {
    /// #     fn start(_: Settings) -> Result<Self, BuildError> { Ok(Self) }
    /// # }
    /// let builder = Builder::<Producer>::new().bootstrap_servers("10.0.0.1:9092").address_mapping(|host, port| {
    ///     match host.starts_with("10.0.0.") {
    ///         true => vec![("tunnel.example".to_owned(), port + 10_000)],
    ///         false => Vec::new(),
    ///     }
    /// });
    /// ```
    pub fn address_mapping(
        mut self,
        mapping: impl Fn(&str, u16) -> Vec<(String, u16)> + Send + Sync + 'static,
    ) -> Self {
        self.settings.link.mapping = Some(Arc::new(mapping));
        self
    }
}
