//! What goes wrong around TLS, as values that fit into every error: the core speaks no TLS, whoever wraps its
//! connections says by these what has happened. Never a secret, and never text of a peer's.

use core::fmt;

/// Seconds since 1970, UTC; what is later than the year 2106 counts as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcSeconds(pub u32);

/// Why there is no TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The broker's certificate, or one on the way to its authority, was valid until then.
    Expired {
        /// The end of its validity.
        not_after: UtcSeconds,
        /// What this machine's clock says.
        now: UtcSeconds,
    },
    /// The broker's certificate, or one on the way to its authority, will be valid from then on.
    NotYetValid {
        /// The beginning of its validity.
        not_before: UtcSeconds,
        /// What this machine's clock says.
        now: UtcSeconds,
    },
    /// The broker's certificate does not name the host that was connected to.
    WrongHost,
    /// The broker's certificate leads to no authority that is trusted.
    UnknownAuthority,
    /// The broker's certificate cannot be used for anything: malformed, signed wrongly, or meant for other purposes.
    BadCertificate,
    /// The host is neither a name that a certificate can have nor an address.
    BadHost,
    /// The broker wants to see a client's certificate, and none is set.
    ClientCertificateMissing,
    /// The broker does not take the client's certificate; the number is that of its TLS alert.
    ClientCertificateRefused(u8),
    /// The broker speaks no version of TLS that is allowed here.
    NoCommonVersion,
    /// No cipher suite, key exchange or signature scheme that both sides take.
    NoCommonCipher,
    /// Somebody on the way made both sides use an older version than they could.
    Downgraded,
    /// The broker gave up with this alert.
    Alert(u8),
    /// What came is no TLS at all.
    NotTls,
    /// The connection ended in the middle of the handshake, without a word.
    Closed,
    /// What came is against the rules of TLS, or was changed on the way.
    Protocol,
    /// The authorities that are trusted cannot be read at the moment.
    Truststore(StoreFault),
    /// The client's certificate or its key cannot be read at the moment.
    Keystore(StoreFault),
}

/// What is wrong with a file of certificates or keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFault {
    /// It is not there, or may not be read.
    Unreadable,
    /// It holds nothing that can be used, or something that cannot.
    Malformed,
    /// The key is not the certificate's.
    Mismatch,
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { not_after, now } => write!(
                f,
                "the broker's certificate has expired: it was valid until {not_after}, and this machine's clock says {now}"
            ),
            Self::NotYetValid { not_before, now } => write!(
                f,
                "the broker's certificate is not valid yet, only from {not_before} on: this machine's clock says {now}, is it right?"
            ),
            Self::WrongHost => f.write_str(
                "the broker's certificate is for other hosts than the one that was connected to: bootstrap.servers, and the broker's advertised.listeners, must name it as its certificate does",
            ),
            Self::UnknownAuthority => f.write_str(
                "the broker's certificate is from none of the authorities that are trusted (ssl.truststore.location, ssl.truststore.certificates)",
            ),
            Self::BadCertificate => f.write_str(
                "the broker's certificate cannot be used: it is malformed, signed wrongly, or not meant for servers",
            ),
            Self::BadHost => f.write_str("the broker's host is no name that a certificate can have"),
            Self::ClientCertificateMissing => f.write_str(
                "the broker wants a client's certificate, and none is set (ssl.keystore.location, ssl.keystore.certificate.chain)",
            ),
            Self::ClientCertificateRefused(alert) => {
                write!(f, "the broker refused this client's certificate: TLS alert {}", Alert(*alert))
            }
            Self::NoCommonVersion => f.write_str(
                "the broker speaks no version of TLS that is allowed here (ssl.enabled.protocols)",
            ),
            Self::NoCommonCipher => {
                f.write_str("the broker and this client have no TLS cipher, key exchange or signature in common")
            }
            Self::Downgraded => f.write_str(
                "the connection was downgraded to an older TLS than both sides speak: somebody on the way interferes",
            ),
            Self::Alert(alert) => write!(f, "the broker refused the TLS connection: alert {}", Alert(*alert)),
            Self::NotTls => {
                f.write_str("what listens there does not answer with TLS: is it a listener without it?")
            }
            Self::Closed => f.write_str(
                "the connection was closed in the middle of the TLS handshake: is it a listener without TLS?",
            ),
            Self::Protocol => f.write_str("the broker, or somebody on the way, violates the TLS protocol"),
            Self::Truststore(fault) => {
                write!(f, "the authorities that are trusted (ssl.truststore.location) {fault}")
            }
            Self::Keystore(fault) => {
                write!(f, "this client's certificate and key (ssl.keystore.location) {fault}")
            }
        }
    }
}

impl core::error::Error for TlsFailure {}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "cannot be read: the file is away, or may not be read",
            Self::Malformed => "cannot be used: the file is not the PEM that it should be",
            Self::Mismatch => "cannot be used: the key is not the certificate's",
        })
    }
}

impl fmt::Display for UtcSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // Counted from the 1st of March of the year 0, so that a leap day is the last one of its year.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = era * 400 + year + u32::from(month <= 2);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC", second % 60)
    }
}

/// A TLS alert's number, shown by its name in RFC 8446.
struct Alert(u8);

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            10 => "unexpected_message",
            20 => "bad_record_mac",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            80 => "internal_error",
            112 => "unrecognized_name",
            other => return write!(f, "{other}"),
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn seconds_are_dates() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (1_795_828_149, "2026-11-28 01:09:09 UTC"),
            (u32::MAX, "2106-02-07 06:28:15 UTC"),
        ] {
            assert_eq!(UtcSeconds(seconds).to_string(), date);
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let leap = |year: u32| match year {
            year if year.is_multiple_of(100) => year.is_multiple_of(400),
            year => year.is_multiple_of(4),
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=u32::MAX / 86_400 {
            let shown = UtcSeconds(days * 86_400).to_string();
            assert_eq!(shown, std::format!("{year:04}-{month:02}-{day:02} 00:00:00 UTC"));
            let last = match month {
                2 => 28 + u32::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[test]
    fn an_expired_certificate_says_since_when() {
        let failure = TlsFailure::Expired { not_after: UtcSeconds(0), now: UtcSeconds(86_400) };
        let said = failure.to_string();
        assert!(said.contains("until 1970-01-01 00:00:00 UTC") && said.contains("1970-01-02"), "{said}");
        assert!(TlsFailure::ClientCertificateRefused(45).to_string().ends_with("certificate_expired"));
        assert!(TlsFailure::Alert(255).to_string().ends_with("alert 255"));
    }
}
