//! What lies between this machine and a broker, for all connections of a producer: where an advertised address leads, how
//! names are looked up, the proxy, TLS, and how sockets are set up. Nothing here waits, or knows a connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use felice_core::error::Disconnect;

use crate::bandwidth::Bandwidth;
use crate::config::Server;
use crate::proxy::Proxy;
use crate::socket_options::SocketOptions;
use crate::tls::Tls;

/// Where a broker is, by what it says of itself; nothing where that is right.
pub(crate) type Mapping = Arc<dyn Fn(&str, u16) -> Vec<(String, u16)> + Send + Sync>;

/// How brokers are reached.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) mapping: Option<Mapping>,
    /// The bootstrap servers whose names stand for others (`client.dns.lookup`).
    pub(crate) aliases: Vec<Server>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) tls: Option<Tls>,
    pub(crate) sockets: SocketOptions,
    pub(crate) bandwidth: Option<Arc<Bandwidth>>,
}

impl Link {
    /// Where to connect to instead; empty where the broker is where it says. The user's function may wait, and may panic:
    /// then there is no address.
    pub(crate) fn mapped(&self, host: &str, port: u16) -> Result<Vec<(String, u16)>, Disconnect> {
        let Some(mapping) = &self.mapping else { return Ok(Vec::new()) };
        catch_unwind(AssertUnwindSafe(|| mapping(host, port))).map_err(|_| Disconnect::Unresolved)
    }

    /// Whether the name is to be replaced by the one that its address has.
    pub(crate) fn is_alias(&self, host: &str, port: u16) -> bool {
        self.aliases.iter().any(|server| server.host == host && server.port == port)
    }
}
