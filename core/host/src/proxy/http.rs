//! HTTP's CONNECT (RFC 9110), with Basic authorization (RFC 7617). Of an answer only its status counts, and where its head
//! ends. A broker never speaks first: what comes behind the head is nobody's, and no answer.

use std::io::Write;
use std::net::Ipv6Addr;

use base64ct::{Base64, Encoding};
use felice_core::error::ProxyFailure;
use zeroize::Zeroizing;

use super::User;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// The client's side.
pub(super) struct Http {
    authorized: bool,
    status: [u8; STATUS_BYTES],
    /// How much of the head was read, and how much of its current line.
    read: usize,
    line: usize,
    is_done: bool,
}

impl Http {
    /// A conversation about a broker; the request is put into `unsent`.
    pub(super) fn begin(user: Option<&User>, host: &str, port: u16, unsent: &mut Vec<u8>) -> Self {
        let host = match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        // Writing to memory never fails.
        let _ = write!(unsent, "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(user) = user {
            let pair = Zeroizing::new(format!("{}:{}", &*user.name, &*user.password));
            let encoded = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
            let _ = write!(unsent, "Proxy-Authorization: Basic {}\r\n", &*encoded);
        }
        unsent.extend(b"\r\n");
        Self { authorized: user.is_some(), status: [0; STATUS_BYTES], read: 0, line: 0, is_done: false }
    }

    pub(super) const fn wanted(&self) -> usize {
        if self.is_done { 0 } else { HEAD_BYTES_MAX - self.read }
    }

    pub(super) fn handle_received(&mut self, bytes: &[u8]) -> Result<(), ProxyFailure> {
        for byte in bytes {
            if self.is_done {
                return Err(ProxyFailure::Protocol);
            }
            if let Some(place) = self.status.get_mut(self.read) {
                *place = *byte;
            }
            self.read += 1;
            if self.read == STATUS_BYTES {
                self.check_status()?;
            }
            match byte {
                b'\n' if self.line == 0 => self.is_done = true,
                b'\n' => self.line = 0,
                b'\r' => {}
                _ => self.line += 1,
            }
        }
        let ends_early = self.is_done && self.read < STATUS_BYTES;
        if ends_early || self.read >= HEAD_BYTES_MAX { Err(ProxyFailure::Protocol) } else { Ok(()) }
    }

    fn check_status(&self) -> Result<(), ProxyFailure> {
        let digits =
            self.status.strip_prefix(b"HTTP/1.0 ").or_else(|| self.status.strip_prefix(b"HTTP/1.1 "));
        let digits =
            digits.filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or(ProxyFailure::Protocol)?;
        let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        match status {
            200..=299 => Ok(()),
            407 if self.authorized => Err(ProxyFailure::CredentialsRefused),
            407 => Err(ProxyFailure::CredentialsMissing),
            _ => Err(ProxyFailure::Status(status)),
        }
    }
}
