//! What goes wrong at a proxy between this machine and the brokers, as values that fit into every error: the core speaks to
//! no proxy, whoever connects through one says by these what has happened. Never a secret, and never text of the proxy's.

use core::fmt;

/// Why there is no connection through the proxy, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// Its name has no address, or the look-up failed.
    Unresolved,
    /// Nobody listens there, or the connection to it could not be made.
    Unreachable,
    /// It was not connected to, or did not answer, in time: nine tenths of `socket.connection.setup.timeout.ms`.
    Timeout,
    /// It closed the connection before it had answered.
    Closed,
    /// What it answered is none of its protocol's.
    Protocol,
    /// It wants to know who the client is, and no user is set.
    CredentialsMissing,
    /// It does not accept user and password.
    CredentialsRefused,
    /// It speaks SOCKS5, and did not connect to the broker: its reply.
    Reply(u8),
    /// It speaks HTTP, and did not connect to the broker: its status.
    Status(u16),
    /// The broker's host is neither a name nor an address that a proxy could be asked for.
    BadHost,
    /// The connection through it ended: whether by the broker or the proxy, nobody can tell.
    Ended,
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("the name of the proxy (proxy.url) could not be resolved"),
            Self::Unreachable => f.write_str("the proxy (proxy.url) cannot be reached: nobody listens there"),
            Self::Timeout => f.write_str(
                "the proxy (proxy.url) did not answer in time (nine tenths of socket.connection.setup.timeout.ms)",
            ),
            Self::Closed => {
                f.write_str("the proxy (proxy.url) closed the connection instead of connecting to the broker")
            }
            Self::Protocol => f.write_str(
                "what listens at proxy.url does not answer as such a proxy: is its scheme, socks5 or http, the right one?",
            ),
            Self::CredentialsMissing => {
                f.write_str("the proxy wants a user and a password, and proxy.url names none")
            }
            Self::CredentialsRefused => {
                f.write_str("the proxy does not accept the user and the password of proxy.url")
            }
            Self::Reply(code) => {
                let meaning = match code {
                    1 => "general failure",
                    2 => "its rules do not allow it",
                    3 => "network unreachable",
                    4 => "host unreachable",
                    5 => "connection refused",
                    6 => "the way was too long",
                    7 => "it connects to nobody",
                    8 => "it does not know this kind of address",
                    _ => "a reply that nobody has defined",
                };
                write!(f, "the proxy (proxy.url) did not connect to the broker: SOCKS5 reply {code}, {meaning}")
            }
            Self::Status(status) => {
                write!(f, "the proxy (proxy.url) did not connect to the broker: HTTP status {status}")
            }
            Self::BadHost => {
                f.write_str("the broker's host is neither a name nor an address that a proxy could be asked for")
            }
            Self::Ended => f.write_str("the broker, or the proxy (proxy.url), closed the connection"),
        }
    }
}
