//! Connections without a network: felice's driver on one side, a TLS server with a simulated broker behind it on the
//! other, and a wire between them that moves only when it is told to. So every byte is where a test wants it, and a
//! wake-up that is lost is seen at once: nothing else wakes anybody.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use felice_core::id::ConnectionId;
use felice_host::{Readiness, Socket, SocketOptions};
use rustls::{ServerConfig, ServerConnection};

use crate::cluster::{Cluster, Connection};

/// How the wire and its sockets behave.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Each step brings so many bytes, in each direction, at most.
    pub piece: usize,
    /// A socket takes so many bytes that have not left at most.
    pub room: usize,
    /// The first connection breaks after so many bytes, both directions together.
    pub cut: Option<usize>,
    /// From so many bytes on, both directions together, the first connection stands still.
    pub stall: Option<usize>,
    /// An event comes once, to who has asked for it by finding nothing, as with async-io; otherwise on every change, asked
    /// for or not, as with epoll's edges.
    pub once: bool,
}

/// Everything goes through at once.
impl Default for Manner {
    fn default() -> Self {
        Self { piece: usize::MAX, room: usize::MAX, cut: None, stall: None, once: false }
    }
}

/// The broker's side of all connections. Cloned, it is the same one.
#[derive(Clone)]
pub struct Broker(Arc<Mutex<World>>);

struct World {
    cluster: Cluster,
    config: Arc<ServerConfig>,
    manner: Manner,
    ends: Vec<End>,
}

/// One connection.
struct End {
    id: ConnectionId,
    server: ServerConnection,
    broker: Connection,
    /// Bytes that are under way, and those that have arrived.
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    arrived: VecDeque<u8>,
    moved: usize,
    broken: bool,
    /// What the client waits for, and what it is to be told.
    asks: Readiness,
    tells: Readiness,
}

const NOTHING: Readiness = Readiness { readable: false, writable: false, closing: false };

/// A client's socket.
pub struct Pipe {
    broker: Broker,
    index: usize,
}

impl Broker {
    /// A broker with the id 1, behind TLS.
    pub fn new(cluster: Cluster, config: Arc<ServerConfig>, manner: Manner) -> Self {
        Self(Arc::new(Mutex::new(World { cluster, config, manner, ends: Vec::new() })))
    }

    /// Looks at the cluster.
    pub fn with<T>(&self, access: impl FnOnce(&mut Cluster) -> T) -> T {
        access(&mut self.lock().cluster)
    }

    /// How it is from the next connection on.
    pub fn set_config(&self, config: Arc<ServerConfig>) {
        self.lock().config = config;
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.lock().ends.len()
    }

    /// How many bytes went over one, both directions together.
    pub fn moved(&self, connection: usize) -> usize {
        self.lock().ends[connection].moved
    }

    /// How many bytes went over all of them.
    pub fn moved_by_all(&self) -> usize {
        self.lock().ends.iter().map(|end| end.moved).sum()
    }

    /// Moves the wire by one piece, lets the broker do what it can, and tells what the driver is to be told.
    pub fn step(&self) -> Vec<(ConnectionId, Readiness)> {
        let mut world = self.lock();
        let World { cluster, manner, ends, .. } = &mut *world;
        let mut told = Vec::new();
        for (index, end) in ends.iter_mut().enumerate() {
            let manner = Manner {
                cut: manner.cut.filter(|_| index == 0),
                stall: manner.stall.filter(|_| index == 0),
                ..*manner
            };
            end.step(cluster, &manner);
            let tells = std::mem::replace(&mut end.tells, NOTHING);
            if tells != NOTHING {
                told.push((end.id, tells));
            }
        }
        told
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    fn step(&mut self, cluster: &mut Cluster, manner: &Manner) {
        let full = self.to_server.len() >= manner.room;
        let up = self.allowed(self.to_server.len(), manner);
        let bytes: Vec<u8> = self.to_server.drain(..up).collect();
        self.moved += up;
        if up > 0 && (full || !manner.once) {
            self.tells.writable = !manner.once || std::mem::take(&mut self.asks.writable);
        }
        self.serve(&bytes, cluster);
        let down = self.allowed(self.to_client.len(), manner);
        self.arrived.extend(self.to_client.drain(..down));
        self.moved += down;
        let cut = manner.cut.is_some_and(|cut| self.moved >= cut) && !self.broken;
        self.broken |= cut;
        if !manner.once {
            self.tells.readable |= down > 0 || cut;
            self.tells.closing |= cut;
        } else if !self.arrived.is_empty() || self.broken {
            self.tells.readable |= std::mem::take(&mut self.asks.readable);
        }
    }

    fn allowed(&self, waiting: usize, manner: &Manner) -> usize {
        let ends = [manner.cut, manner.stall].into_iter().flatten().min();
        waiting.min(manner.piece).min(ends.map_or(usize::MAX, |end| end.saturating_sub(self.moved)))
    }

    fn serve(&mut self, mut bytes: &[u8], cluster: &mut Cluster) {
        let (mut plain, mut answers) = (Vec::new(), Vec::new());
        while !bytes.is_empty() {
            if self.server.read_tls(&mut bytes).is_err() || self.server.process_new_packets().is_err() {
                return self.refuse();
            }
            // `WouldBlock` ends it: nothing more is decrypted.
            let _ = self.server.reader().read_to_end(&mut plain);
        }
        self.broker.push(&plain);
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.broker.advance(cluster, since_1970.as_micros() as u64, &mut answers);
        self.server.writer().write_all(&answers).expect("the server holds any answer");
        while self.server.wants_write() {
            self.server.write_tls(&mut self.to_client).expect("memory takes everything");
        }
    }
}

impl End {
    /// Says why, and goes: what the client sends from now on meets nobody.
    fn refuse(&mut self) {
        while self.server.wants_write() {
            self.server.write_tls(&mut self.arrived).expect("memory takes everything");
        }
        self.broken = true;
        self.tells = Readiness { readable: true, writable: true, closing: true };
    }
}

impl Socket for Pipe {
    type Reactor = Broker;

    fn connect(broker: &Broker, id: ConnectionId, _: SocketAddr, _: &SocketOptions) -> io::Result<Self> {
        let mut world = broker.lock();
        let server = ServerConnection::new(Arc::clone(&world.config)).map_err(io::Error::other)?;
        let end = End {
            id,
            server,
            broker: Connection::new(1),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            arrived: VecDeque::new(),
            moved: 0,
            broken: false,
            asks: NOTHING,
            tells: Readiness { writable: true, ..NOTHING },
        };
        world.ends.push(end);
        Ok(Self { broker: broker.clone(), index: world.ends.len() - 1 })
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = &mut self.broker.lock().ends[self.index];
        match end.arrived.read(buffer)? {
            0 if end.broken => Ok(0),
            0 => {
                end.asks.readable = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
            count => Ok(count),
        }
    }

    fn await_more(&mut self) -> io::Result<()> {
        self.broker.lock().ends[self.index].asks.readable = true;
        Ok(())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut world = self.broker.lock();
        let room = world.manner.room;
        let end = &mut world.ends[self.index];
        if end.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut free = room.saturating_sub(end.to_server.len());
        if free == 0 {
            end.asks.writable = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = end.to_server.len();
        for slice in slices {
            let taken = &slice[..slice.len().min(free)];
            end.to_server.extend(taken);
            free -= taken.len();
        }
        Ok(end.to_server.len() - before)
    }
}
