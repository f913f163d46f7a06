//! SOCKS5 (RFC 1928), with user and password (RFC 1929). Its answers have exact lengths, so nothing is ever read that is
//! the broker's.

use std::net::IpAddr;

use felice_core::error::ProxyFailure;
use zeroize::Zeroizing;

use super::User;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const USER_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Version, reply, reserved, kind of address, and the first byte of the address, which may be its length.
const REPLY_HEAD_BYTES: usize = 5;

/// What the proxy is expected to answer next.
enum Expected {
    Method,
    Verdict,
    Reply,
    Nothing,
}

/// The client's side.
pub(super) struct Socks5 {
    expected: Expected,
    /// User and password as they will be sent, and what is asked for.
    user: Option<Zeroizing<Vec<u8>>>,
    request: Vec<u8>,
    /// What counts of the answer: the proxy's own address behind it is of no use to anybody.
    answer: [u8; REPLY_HEAD_BYTES],
    filled: usize,
    /// How long the answer is as far as is known.
    length: usize,
}

impl Socks5 {
    /// A conversation about a broker; its first words are put into `unsent`.
    pub(super) fn begin(user: Option<&User>, host: &str, port: u16, unsent: &mut Vec<u8>) -> Self {
        match user {
            Some(_) => unsent.extend([VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD]),
            None => unsent.extend([VERSION, 1, NO_AUTHENTICATION]),
        }
        Self {
            expected: Expected::Method,
            user: user.map(credentials),
            request: request(host, port),
            answer: [0; REPLY_HEAD_BYTES],
            filled: 0,
            length: 2,
        }
    }

    pub(super) const fn wanted(&self) -> usize {
        self.length.saturating_sub(self.filled)
    }

    /// Takes what was read. What is to be written next, if anything is.
    pub(super) fn handle_received(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ProxyFailure> {
        for byte in bytes {
            if let Some(place) = self.answer.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
        }
        if self.filled > self.length {
            return Err(ProxyFailure::Protocol);
        }
        if self.filled < self.length {
            return Ok(None);
        }
        match self.expected {
            Expected::Method => self.handle_method().map(Some),
            Expected::Verdict => self.handle_verdict().map(Some),
            Expected::Reply => self.handle_reply().map(|()| None),
            Expected::Nothing => Ok(None),
        }
    }

    fn handle_method(&mut self) -> Result<Zeroizing<Vec<u8>>, ProxyFailure> {
        match (self.answer[0], self.answer[1], self.user.take()) {
            (VERSION, NO_AUTHENTICATION, _) => Ok(self.ask()),
            (VERSION, USER_AND_PASSWORD, Some(user)) => {
                self.expect(Expected::Verdict, 2);
                Ok(user)
            }
            (VERSION, NO_METHOD, None) => Err(ProxyFailure::CredentialsMissing),
            (VERSION, NO_METHOD, Some(_)) => Err(ProxyFailure::CredentialsRefused),
            _ => Err(ProxyFailure::Protocol),
        }
    }

    fn handle_verdict(&mut self) -> Result<Zeroizing<Vec<u8>>, ProxyFailure> {
        match (self.answer[0], self.answer[1]) {
            (USER_VERSION, 0) => Ok(self.ask()),
            (USER_VERSION, _) => Err(ProxyFailure::CredentialsRefused),
            _ => Err(ProxyFailure::Protocol),
        }
    }

    fn ask(&mut self) -> Zeroizing<Vec<u8>> {
        self.expect(Expected::Reply, 2);
        Zeroizing::new(std::mem::take(&mut self.request))
    }

    /// Piece by piece: who refuses may say no more than that.
    fn handle_reply(&mut self) -> Result<(), ProxyFailure> {
        match (self.answer[0], self.answer[1]) {
            (VERSION, 0) => {}
            (VERSION, code) => return Err(ProxyFailure::Reply(code)),
            _ => return Err(ProxyFailure::Protocol),
        }
        if self.filled < REPLY_HEAD_BYTES {
            self.length = REPLY_HEAD_BYTES;
            return Ok(());
        }
        let address = match self.answer[3] {
            IPV4 => 4,
            IPV6 => 16,
            NAME => 1 + usize::from(self.answer[4]),
            _ => return Err(ProxyFailure::Protocol),
        };
        self.length = REPLY_HEAD_BYTES - 1 + address + 2;
        if self.filled == self.length {
            self.expect(Expected::Nothing, 0);
        }
        Ok(())
    }

    fn expect(&mut self, expected: Expected, length: usize) {
        (self.expected, self.length, self.filled) = (expected, length, 0);
    }
}

/// Both have at most 255 bytes: the URL was checked.
fn credentials(user: &User) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(3 + user.name.len() + user.password.len()));
    message.push(USER_VERSION);
    for text in [&user.name, &user.password] {
        message.push(text.len() as u8);
        message.extend(text.as_bytes());
    }
    message
}

fn request(host: &str, port: u16) -> Vec<u8> {
    let mut message = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Err(_) => {
            message.extend([NAME, host.len() as u8]);
            message.extend(host.as_bytes());
        }
    }
    message.extend(port.to_be_bytes());
    message
}
