//! The settings of the link: how names are looked up, the proxy, and what the system is asked for of sockets. No message
//! tells the proxy's user and password.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::sasl::HIDDEN;
use super::{ConfigError, Server, millis, within};
use crate::bandwidth::Bandwidth;
use crate::link::{Link, Mapping};
use crate::proxy::Proxy;
use crate::socket_options::SocketOptions;

/// `client.dns.lookup` (KIP-602): what the name of a bootstrap server stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsLookup {
    /// One server with several addresses, of which the first that is connected is taken. The default.
    #[default]
    UseAllDnsIps,
    /// Several servers: each address has a name of its own, which is looked up in its place, and must be in the server's
    /// certificate. A connection takes the next one in turn. Brokers that are no bootstrap servers are looked up as always.
    /// A [proxy](crate::Builder::proxy_url) looks names up itself, and this setting does nothing there.
    ResolveCanonicalBootstrapServersOnly,
}

pub(super) const LOOKUPS: &str = "use_all_dns_ips or resolve_canonical_bootstrap_servers_only";

impl DnsLookup {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "use_all_dns_ips" => Some(Self::UseAllDnsIps),
            "resolve_canonical_bootstrap_servers_only" => Some(Self::ResolveCanonicalBootstrapServersOnly),
            _ => None,
        }
    }
}

/// What the builder was told.
#[derive(Default)]
pub(crate) struct LinkSettings {
    pub(super) lookup: DnsLookup,
    pub(super) proxy_url: Option<Zeroizing<String>>,
    pub(super) mapping: Option<Mapping>,
    /// None leaves it to the system, as do the others.
    pub(super) send_buffer: Option<usize>,
    pub(super) receive_buffer: Option<usize>,
    pub(super) keepalive: Duration,
    pub(super) user_timeout: Duration,
    /// Bytes per second, or 0.
    pub(super) bandwidth: usize,
}

/// Less is no link: a handshake of TLS alone would take seconds.
const BANDWIDTH_MIN: usize = 1_000;

/// The longest time that TCP counts in seconds.
const KEEPALIVE_MAX: Duration = Duration::from_secs(32_767);

impl LinkSettings {
    /// What connections are made with; their TLS is not looked at here.
    pub(super) fn check(&mut self, servers: &[Server]) -> Result<Link, ConfigError> {
        let most = i32::MAX as usize;
        within("send.buffer.bytes", self.send_buffer.unwrap_or(1), 1, most)?;
        within("receive.buffer.bytes", self.receive_buffer.unwrap_or(1), 1, most)?;
        let proxy = self.proxy_url.take().filter(|url| !url.is_empty()).map(|url| {
            Proxy::parse(&url)
                .map_err(|limit| ConfigError::invalid("proxy.url", HIDDEN.to_owned(), limit.to_owned()))
        });
        let aliases = match self.lookup {
            DnsLookup::UseAllDnsIps => Vec::new(),
            DnsLookup::ResolveCanonicalBootstrapServersOnly => servers.to_vec(),
        };
        Ok(Link {
            mapping: self.mapping.take(),
            aliases,
            proxy: proxy.transpose()?,
            tls: None,
            sockets: SocketOptions {
                send_buffer: self.send_buffer,
                receive_buffer: self.receive_buffer,
                keepalive: self.check_keepalive()?,
                user_timeout: self.check_user_timeout()?,
            },
            bandwidth: None,
        })
    }

    /// Brokers share it: where their largest requests would not leave before half of their time is over, it would make
    /// nothing but retries.
    pub(super) fn check_bandwidth(
        &self,
        brokers_max: usize,
        request_bytes_max: u32,
        request_timeout: Duration,
    ) -> Result<Option<Arc<Bandwidth>>, ConfigError> {
        const NAME: &str = "bandwidth.max.bytes.per.sec";
        if self.bandwidth == 0 {
            return Ok(None);
        }
        let bytes = brokers_max as u128 * u128::from(request_bytes_max);
        let least = (2_000 * bytes).div_ceil(request_timeout.as_millis().max(1));
        let least = usize::try_from(least).unwrap_or(usize::MAX).max(BANDWIDTH_MIN);
        within(NAME, self.bandwidth, least, i32::MAX as usize).map_err(|error| {
            error.because(
                "brokers.max requests of max.request.size must leave within half of request.timeout.ms; 0 for no limit",
            )
        })?;
        Ok(Some(Arc::new(Bandwidth::new(self.bandwidth as u32))))
    }

    fn check_keepalive(&self) -> Result<Option<Duration>, ConfigError> {
        match self.keepalive {
            Duration::ZERO => Ok(None),
            idle if idle < Duration::from_secs(1) || idle > KEEPALIVE_MAX => Err(ConfigError::invalid(
                "socket.keepalive.ms",
                millis(idle),
                format!("1000 to {} ms, or 0 for none", KEEPALIVE_MAX.as_millis()),
            )),
            idle => Ok(Some(idle)),
        }
    }

    fn check_user_timeout(&self) -> Result<Option<Duration>, ConfigError> {
        const NAME: &str = "socket.user.timeout.ms";
        let (timeout, most) = (self.user_timeout, i32::MAX as u128);
        if timeout.is_zero() {
            return Ok(None);
        }
        if cfg!(not(any(target_os = "linux", target_os = "android"))) {
            return Err(ConfigError::invalid(NAME, millis(timeout), "0: only Linux has this timeout".into()));
        }
        if timeout.as_millis() == 0 || timeout.as_millis() > most {
            return Err(ConfigError::invalid(
                NAME,
                millis(timeout),
                format!("1 to {most} ms, or 0 for none"),
            ));
        }
        Ok(Some(timeout))
    }
}
