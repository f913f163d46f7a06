//! One connection over the link: four threads, each of which waits for one thing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::faults::{Course, Direction, Step};
use super::line::{Line, Piece};
use super::{Shared, lock};

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// How far pieces come out apart: far enough that who waits for the first does not see the second, mostly.
const APART: Duration = Duration::from_micros(50);

/// A client's connection, the one to its broker, and the lines between them.
#[derive(Debug)]
pub(super) struct Relay {
    shared: Arc<Shared>,
    /// Its place in the books.
    index: usize,
    client: TcpStream,
    server: TcpStream,
    to_server: Line,
    to_client: Line,
    /// When a client at the far end would have been told that it is connected.
    connected: Instant,
}

impl Relay {
    pub(super) fn new(shared: Arc<Shared>, client: TcpStream, server: TcpStream) -> io::Result<Self> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let index = lock(&shared.ledger).opened();
        // The system has accepted the connection at once; over the link that takes a round trip. What the client
        // sends meanwhile is held back for it.
        let connected = Instant::now() + 2 * *lock(&shared.one_way);
        let (to_server, to_client) = (Line::default(), Line::default());
        Ok(Self { shared, index, client, server, to_server, to_client, connected })
    }

    pub(super) fn read_client(&self) {
        read(&self.client, &self.to_server, |bytes| {
            lock(&self.shared.ledger).sent(self.index, bytes);
            Instant::now().max(self.connected) + self.one_way()
        });
    }

    pub(super) fn write_server(&self) {
        self.write(&self.to_server, &self.server, Direction::ToServer, |_| {});
    }

    pub(super) fn read_server(&self) {
        read(&self.server, &self.to_client, |_| Instant::now().max(self.connected) + self.one_way());
    }

    pub(super) fn write_client(&self) {
        // Counted before it is written: the client cannot be quicker.
        self.write(&self.to_client, &self.client, Direction::ToClient, |bytes| {
            lock(&self.shared.ledger).delivered(self.index, bytes);
        });
    }

    /// Ends the connection: what is under way is lost, and the threads end.
    pub(super) fn cut(&self) {
        for (socket, line) in [(&self.client, &self.to_server), (&self.server, &self.to_client)] {
            // Fails when the other end was faster.
            let _ = socket.shutdown(Shutdown::Both);
            line.cut();
        }
    }

    /// Whether nothing comes through for now, in either direction.
    pub(super) fn hold(&self, held: bool) {
        self.to_server.hold(held);
        self.to_client.hold(held);
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.to_server.is_empty() && self.to_client.is_empty()
    }

    fn one_way(&self) -> Duration {
        *lock(&self.shared.one_way)
    }

    /// Writes what comes out of a line. A socket that takes no more ends the connection.
    fn write(&self, line: &Line, socket: &TcpStream, direction: Direction, look: impl Fn(&[u8])) {
        let mut changes = 0;
        let mut course = None;
        while let Some(piece) = line.take() {
            match piece {
                Piece::Bytes(bytes) => {
                    let weather = lock(&self.shared.weather);
                    if weather.changes != changes {
                        changes = weather.changes;
                        course = weather.faults.map(|faults| Course::new(&faults, self.index, direction));
                    }
                    drop(weather);
                    if self.pass(&bytes, line, socket, course.as_mut(), &look).is_err() {
                        self.cut();
                    }
                }
                Piece::End => {
                    // Fails when the other end was faster.
                    let _ = socket.shutdown(Shutdown::Write);
                    return;
                }
            }
        }
    }

    /// Writes these bytes, or as many of them as are to come through.
    fn pass(
        &self,
        mut bytes: &[u8],
        line: &Line,
        mut socket: &TcpStream,
        mut course: Option<&mut Course>,
        look: &impl Fn(&[u8]),
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let step = course.as_mut().map_or(Step::Pass(bytes.len(), false), |it| it.next(bytes.len()));
            match step {
                Step::Pass(count, apart) => {
                    let now;
                    (now, bytes) = bytes.split_at(count);
                    look(now);
                    socket.write_all(now)?;
                    if apart {
                        lock(&self.shared.weather).happened.pieces += 1;
                        line.stand_still(APART);
                    }
                }
                Step::Stall(lasts) => {
                    lock(&self.shared.weather).happened.stalls += 1;
                    line.stand_still(lasts);
                }
                Step::Cut => {
                    lock(&self.shared.weather).happened.cuts += 1;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
        Ok(())
    }
}

/// Puts what a socket gives into a line; `due` looks at it and says when it comes out. A socket that fails has ended.
fn read(mut socket: &TcpStream, line: &Line, due: impl Fn(&[u8]) -> Instant) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = socket.read(&mut buffer) {
        let bytes = buffer[..count].to_vec();
        line.put(due(&bytes), Piece::Bytes(bytes));
    }
    line.put(due(&[]), Piece::End);
}
