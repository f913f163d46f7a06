//! rustls' errors, as what a person on call can act on.

use felice_core::error::{Disconnect, TlsFailure, UtcSeconds};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use super::identity::Identity;

/// What a connection ended by; `identity` is what this client had to show.
pub(super) fn of(error: &Error, identity: &Identity) -> Disconnect {
    Disconnect::Tls(match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::NoCertificatesPresented => TlsFailure::BadCertificate,
        Error::UnsupportedNameType => TlsFailure::BadHost,
        Error::AlertReceived(alert) => by_alert(*alert, identity),
        Error::PeerIncompatible(what) => incompatible(what),
        Error::PeerMisbehaved(PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported) => {
            TlsFailure::Downgraded
        }
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => TlsFailure::NotTls,
        _ => TlsFailure::Protocol,
    })
}

fn certificate(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            TlsFailure::Expired { not_after: seconds(*not_after), now: seconds(*time) }
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            TlsFailure::NotYetValid { not_before: seconds(*not_before), now: seconds(*time) }
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::WrongHost
        }
        CertificateError::UnknownIssuer => TlsFailure::UnknownAuthority,
        _ => TlsFailure::BadCertificate,
    }
}

/// Brokers do not agree about the alert for a certificate that is not there: whether one was asked for tells more.
fn by_alert(alert: AlertDescription, identity: &Identity) -> TlsFailure {
    use AlertDescription as Alert;
    let number = u8::from(alert);
    match alert {
        Alert::ProtocolVersion => TlsFailure::NoCommonVersion,
        Alert::InsufficientSecurity => TlsFailure::NoCommonCipher,
        Alert::CertificateRequired => TlsFailure::ClientCertificateMissing,
        Alert::HandshakeFailure if identity.is_missing() => TlsFailure::ClientCertificateMissing,
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError => match (identity.is_missing(), identity.is_asked_for()) {
            (true, _) => TlsFailure::ClientCertificateMissing,
            (false, true) => TlsFailure::ClientCertificateRefused(number),
            (false, false) => TlsFailure::Alert(number),
        },
        _ => TlsFailure::Alert(number),
    }
}

const fn incompatible(what: &PeerIncompatible) -> TlsFailure {
    match what {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired => TlsFailure::NoCommonVersion,
        _ => TlsFailure::NoCommonCipher,
    }
}

fn seconds(time: UnixTime) -> UtcSeconds {
    UtcSeconds(time.as_secs().try_into().unwrap_or(u32::MAX))
}
