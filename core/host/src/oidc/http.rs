//! One question by HTTP/1.1, on a connection of its own: a form that is posted, and the answer with its length in
//! bounds and in time. No redirects, no proxies, nothing that is compressed. httparse reads what has a grammar.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use httparse::{Header, Response, Status};
use zeroize::Zeroizing;

use super::{Endpoint, Failure};
use crate::tls::Tls;

/// The longest answer, with its head and whatever keeps its chunks apart.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;
/// How much may stand before a chunk: its length in hexadecimal, and extensions that nobody has.
const CHUNK_HEAD_BYTES_MAX: usize = 64;

/// How long a question may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// `sasl.login.connect.timeout.ms`: for all addresses of the host.
    pub(crate) connect: Duration,
    /// `sasl.login.read.timeout.ms`: from then on until the answer is there.
    pub(crate) read: Duration,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Asks, and waits for the answer.
pub(super) fn post(
    endpoint: &Endpoint,
    tls: Option<&Tls>,
    authorization: &str,
    form: &str,
    times: &Times,
) -> Result<Answer, Failure> {
    let socket = connect(endpoint, times)?;
    let request = Zeroizing::new(format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: {authorization}\r\nAccept: application/json\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n\
         User-Agent: felice/{}\r\nConnection: close\r\n\r\n{form}",
        endpoint.path,
        endpoint.authority(),
        form.len(),
        env!("CARGO_PKG_VERSION"),
    ));
    match tls {
        Some(tls) => {
            let mut wrapped = tls.around(&endpoint.host, socket).map_err(broken)?;
            exchange(&mut wrapped, &request)
        }
        None => exchange(&mut { socket }, &request),
    }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::retriable(format!("cannot be asked: {error}"))
}

fn unanswered(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::TimedOut => Failure::retriable("did not answer in time"),
        _ => broken(error),
    }
}

fn exchange(stream: &mut (impl Read + Write), request: &str) -> Result<Answer, Failure> {
    stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(|error| unanswered(&error))?;
    Incoming::new(stream).answer()
}

/// All addresses in turn, each with its share of the time that is left.
fn connect(endpoint: &Endpoint, times: &Times) -> Result<Timed, Failure> {
    let begin = Instant::now();
    let addresses: Vec<_> =
        (endpoint.host.as_str(), endpoint.port).to_socket_addrs().map_err(broken)?.collect();
    let mut last = None;
    for (place, address) in addresses.iter().enumerate() {
        let left = times.connect.saturating_sub(begin.elapsed());
        let share = left / (addresses.len() - place) as u32;
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => return Ok(Timed { socket, until: Instant::now() + times.read }),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Failure::retriable("cannot be connected to in time"), broken))
}

/// A socket that waits no longer than until then, however often it is read or written.
struct Timed {
    socket: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// A socket whose time is over says that it would block.
fn in_time<T>(result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    })
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        in_time(self.socket.read(buffer))
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        in_time(self.socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// How it is said where a body ends.
enum Framing {
    Length(usize),
    Chunked,
    /// The connection does.
    Closing,
}

/// What comes, in memory of fixed length.
struct Incoming<'s, S> {
    stream: &'s mut S,
    bytes: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl<'s, S: Read> Incoming<'s, S> {
    fn new(stream: &'s mut S) -> Self {
        Self { stream, bytes: Zeroizing::new(vec![0; ANSWER_BYTES_MAX]), filled: 0 }
    }

    fn answer(mut self) -> Result<Answer, Failure> {
        let (status, framing, start) = self.head()?;
        let body = match framing {
            Framing::Length(length) => self.up_to(start.saturating_add(length))?[start..].to_vec(),
            Framing::Chunked => self.chunks(start)?,
            Framing::Closing => {
                while self.fill()? > 0 {}
                self.bytes[start..self.filled].to_vec()
            }
        };
        Ok(Answer { status, body: Zeroizing::new(body) })
    }

    /// Status, where the body ends, and where it begins.
    fn head(&mut self) -> Result<(u16, Framing, usize), Failure> {
        const END: &[u8] = b"\r\n\r\n";
        let mut seen = 0;
        let end = loop {
            let unseen = &self.bytes[seen..self.filled];
            if let Some(place) = unseen.windows(END.len()).position(|bytes| bytes == END) {
                break seen + place + END.len();
            }
            seen = self.filled.saturating_sub(END.len() - 1);
            self.more()?;
        };
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = Response::new(&mut headers);
        match (response.parse(&self.bytes[..end]), response.code) {
            (Ok(Status::Complete(_)), Some(status)) => Ok((status, framing(response.headers)?, end)),
            _ => Err(no_http()),
        }
    }

    /// The chunks of a body, put together. What follows on the last one is not looked at.
    fn chunks(&mut self, mut at: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::with_capacity(ANSWER_BYTES_MAX);
        loop {
            let (head, length) = match httparse::parse_chunk_size(&self.bytes[at..self.filled]) {
                Ok(Status::Complete((head, length))) => (head, usize::try_from(length).unwrap_or(usize::MAX)),
                Ok(Status::Partial) if self.filled - at < CHUNK_HEAD_BYTES_MAX => {
                    self.more()?;
                    continue;
                }
                _ => return Err(no_http()),
            };
            if length == 0 {
                return Ok(body);
            }
            let start = at + head;
            at = start.saturating_add(length).saturating_add(2);
            body.extend_from_slice(&self.up_to(at)?[start..at - 2]);
        }
    }

    /// Waits until so many bytes are there.
    fn up_to(&mut self, end: usize) -> Result<&[u8], Failure> {
        if end > ANSWER_BYTES_MAX {
            return Err(too_long());
        }
        while self.filled < end {
            self.more()?;
        }
        Ok(&self.bytes[..end])
    }

    fn more(&mut self) -> Result<(), Failure> {
        match self.fill()? {
            0 => Err(Failure::retriable("closed the connection before its answer was complete")),
            _ => Ok(()),
        }
    }

    /// Reads once: how much has come, which is nothing at the end.
    fn fill(&mut self) -> Result<usize, Failure> {
        let room = &mut self.bytes[self.filled..];
        if room.is_empty() {
            return Err(too_long());
        }
        let read = self.stream.read(room).map_err(|error| unanswered(&error))?;
        self.filled += read;
        Ok(read)
    }
}

fn framing(headers: &[Header<'_>]) -> Result<Framing, Failure> {
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(str::from_utf8(header.value).unwrap_or_default().trim())
    };
    match (value("transfer-encoding"), value("content-length")) {
        (Some(encoding), _) if encoding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (Some(_), _) => Err(no_http()),
        (None, Some(length)) => length.parse().map(Framing::Length).map_err(|_| no_http()),
        (None, None) => Ok(Framing::Closing),
    }
}

fn no_http() -> Failure {
    Failure::last("answered what is no HTTP/1.1")
}

fn too_long() -> Failure {
    Failure::last(format!("answered more than {ANSWER_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes, it is an answer or none: nothing overflows, and nothing goes on.
    #[test]
    fn no_bytes_do_harm() {
        let pieces = [
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 ",
            "HTTP/9.9 999 \r\n",
            "Content-Length: 5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 18446744073709551615\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: x\r\n",
            "\r\n",
            "\r",
            "\n",
            "0\r\n\r\n",
            "5\r\nhello\r\n",
            "5;a=b\r\nhel",
            "fffffffffffffffe\r\n",
            "ffff\r\n",
            "g",
            "{}",
            "\0",
            "\u{fc}",
            ":",
            " ",
        ];
        let mut state = 431_u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut answers = 0;
        for _ in 0..5_000 {
            let head = ["HTTP/1.1 200 OK\r\n", ""][random(4) / 3];
            let rest: String = (0..random(12)).map(|_| pieces[random(pieces.len())]).collect();
            let text = format!("{head}{rest}");
            let mut bytes = text.as_bytes();
            if let Ok(answer) = Incoming::new(&mut bytes).answer() {
                answers += 1;
                assert!(answer.body.len() <= text.len(), "{text:?}");
            }
        }
        assert!(answers > 100, "{answers}");
    }
}
