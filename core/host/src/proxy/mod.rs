//! A proxy between this machine and the brokers: what is said to it before the connection is the broker's. Machines
//! without I/O, in memory of fixed length: whatever a proxy answers, a connection comes of it or one clear error.
//!
//! It never looks a broker's name up, since the proxy does, and never shows a password.

mod http;
mod socks5;
mod url;

use std::fmt;

use felice_core::error::ProxyFailure;
use zeroize::Zeroizing;

use self::http::Http;
use self::socks5::Socks5;

/// `proxy.url`.
pub(crate) struct Proxy {
    scheme: Scheme,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    user: Option<User>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Socks5,
    Http,
}

/// Who this client is to the proxy.
struct User {
    name: Zeroizing<String>,
    password: Zeroizing<String>,
}

/// The longest host that a proxy is asked for.
const HOST_BYTES_MAX: usize = 255;

impl Proxy {
    /// Reads a URL; what it must be otherwise.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        url::parse(url)
    }

    /// What is to be said to it before the connection is that broker's.
    pub(crate) fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, ProxyFailure> {
        // A broker's name comes from the network: nothing of it may be taken for a header.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
        if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(fits) {
            return Err(ProxyFailure::BadHost);
        }
        let mut unsent = Zeroizing::new(Vec::new());
        let machine = match self.scheme {
            Scheme::Socks5 => Machine::Socks5(Socks5::begin(self.user.as_ref(), host, port, &mut unsent)),
            Scheme::Http => Machine::Http(Http::begin(self.user.as_ref(), host, port, &mut unsent)),
        };
        Ok(Tunnel { machine, unsent, sent: 0 })
    }
}

/// Without the user, whom nobody else needs to know.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} {}:{})", self.scheme, self.host, self.port)
    }
}

/// A conversation with a proxy, on the way to becoming a connection to a broker.
pub(crate) struct Tunnel {
    machine: Machine,
    unsent: Zeroizing<Vec<u8>>,
    sent: usize,
}

enum Machine {
    Socks5(Socks5),
    Http(Http),
}

impl Tunnel {
    /// What is to be written next.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent[self.sent..]
    }

    /// So much of it was written.
    pub(crate) fn handle_sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.unsent.len());
    }

    /// How many bytes may be read at the most. None: all was said, and what follows is between client and broker.
    pub(crate) fn wanted(&self) -> usize {
        match &self.machine {
            Machine::Socks5(machine) => machine.wanted(),
            Machine::Http(machine) => machine.wanted(),
        }
    }

    /// What was read, which is no more than was wanted.
    pub(crate) fn handle_received(&mut self, bytes: &[u8]) -> Result<(), ProxyFailure> {
        match &mut self.machine {
            Machine::Http(machine) => machine.handle_received(bytes),
            Machine::Socks5(machine) => {
                if let Some(next) = machine.handle_received(bytes)? {
                    (self.unsent, self.sent) = (next, 0);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
