//! `security.protocol`: what a connection is wrapped in, and whether it proves who it is. What is not built in is
//! refused by name before there is a socket: nothing ever falls back to a weaker protocol.

use super::ConfigError;

/// `security.protocol`: how brokers are talked to. All connections of a producer use the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// As it is: everybody on the way can read and change it. Kafka's default, and felice's.
    #[default]
    Plaintext,
    /// Inside TLS; needs the feature `tls`.
    Ssl,
    /// SASL says who the client is, and nothing is encrypted.
    SaslPlaintext,
    /// SASL inside TLS; needs the feature `tls`.
    SaslSsl,
}

/// What is taken as a value: Kafka's names.
pub(super) const NAMES: &str = "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";

impl SecurityProtocol {
    const ALL: [Self; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The one of this name; capitals do not count, as in Kafka.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Whether it runs inside TLS.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether SASL says who the client is.
    #[must_use]
    pub const fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Refuses what is not built in.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        let refused = |limit: &str| {
            Err(ConfigError::invalid("security.protocol", self.name().to_owned(), limit.to_owned()))
        };
        if self.is_tls() && cfg!(not(feature = "__tls")) {
            return refused(
                "PLAINTEXT or SASL_PLAINTEXT: this program was built without felice's feature `tls`",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_nothing_else_is_taken() {
        for protocol in SecurityProtocol::ALL {
            assert_eq!(SecurityProtocol::of(protocol.name()), Some(protocol));
            assert_eq!(SecurityProtocol::of(&protocol.name().to_lowercase()), Some(protocol));
            assert!(NAMES.contains(protocol.name()));
        }
        assert_eq!(SecurityProtocol::of("TLS"), None);
        assert_eq!(SecurityProtocol::of(""), None);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        assert_eq!(SecurityProtocol::Plaintext.check(), Ok(()));
        assert_eq!(SecurityProtocol::SaslPlaintext.check(), Ok(()));
        let tls = SecurityProtocol::ALL
            .into_iter()
            .filter(|protocol| protocol.is_tls() && cfg!(not(feature = "__tls")));
        for protocol in tls {
            let error = protocol.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("security.protocol = {} ", protocol.name())), "{error}");
        }
    }
}
