//! Metrics for Prometheus and the gateway's health, over HTTP/1.1: one question on a connection, one connection at a time, each with
//! little time and few bytes. It is for those who look after the machine, not for the world: bind it to an inner address.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::counters::Registry;
use crate::intake::Intake;
use crate::log;
use crate::stop::Stop;

const HEAD_BYTES_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
/// For a question, and again for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The thread that answers. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Http {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Http {
    pub(crate) fn start(address: SocketAddr, intake: &Arc<Intake>, registry: &Registry) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        log::info("serving", &[("address", &listener.local_addr()?)]);
        let stop = Arc::new(Stop::new()?);
        let (answers, asked) =
            (Answers { intake: Arc::clone(intake), registry: registry.clone() }, Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || answers.serve(&listener, &asked))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.stop.ask(Instant::now());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Answers {
    intake: Arc<Intake>,
    registry: Registry,
}

impl Answers {
    fn serve(&self, listener: &TcpListener, stop: &Stop) {
        while !stop.is_asked() {
            let accepted = stop.wait([listener as &dyn AsFd], None).and_then(|_| listener.accept());
            match accepted {
                // Whoever asks badly, or goes, has no answer.
                Ok((stream, _)) => drop(self.answer(stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    log::warn("http", &[("problem", &error)]);
                    stop.pause(PATIENCE);
                }
            }
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (status, body) = match question(&mut stream)?.as_deref() {
            Some("/metrics") => self.metrics(),
            Some("/health") => self.health(),
            Some(_) => ("404 Not Found", "there are /metrics and /health\n".to_owned()),
            None => ("400 Bad Request", "GET it\n".to_owned()),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())
    }

    fn metrics(&self) -> (&'static str, String) {
        match self.intake.metrics() {
            Some(metrics) => ("200 OK", format!("{}{}", self.registry, metrics.to_prometheus())),
            None => ("503 Service Unavailable", "the producer is being replaced\n".to_owned()),
        }
    }

    /// Healthy is who does what it is for: takes lines in, and has room for them. A cluster that is away is no illness while the
    /// spool takes what comes.
    fn health(&self) -> (&'static str, String) {
        let down =
            self.registry.all().into_iter().filter_map(|source| Some((source.name.clone(), source.down()?)));
        let mut problems: Vec<String> =
            down.map(|(name, problem)| format!("source {name}: {problem}\n")).collect();
        if self.intake.is_full() {
            problems.push("the producer takes no more: buffer.memory, or the spool, is full\n".into());
        }
        let connected = self.intake.metrics().map_or(0, |metrics| metrics.connection_count);
        if problems.is_empty() {
            return ("200 OK", format!("ok; connections to brokers: {connected}\n"));
        }
        ("503 Service Unavailable", problems.concat())
    }
}

/// The path that a GET asks for; none where it is no such question.
fn question(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let (mut head, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() >= HEAD_BYTES_MAX {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 1024];
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&chunk[..length]);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Partial) => {}
            Ok(httparse::Status::Complete(_)) if request.method == Some("GET") => {
                let path = request.path.unwrap_or_default();
                return Ok(Some(path.split_once('?').map_or(path, |(path, _)| path).to_owned()));
            }
            _ => return Ok(None),
        }
    }
}
