//! One broker's port: accepting, serving and closing its connections.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::{
    Connection,
    connection::Progress,
    tcp::{Shared, lock, now_us},
};

/// A connection's thread needs little.
const STACK_BYTES: usize = 256 * 1024;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long to leave it when a connection cannot be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A broker's port. It is always bound, so that no one else gets it while the broker is stopped; bound without
/// listening, it refuses connections.
#[derive(Debug)]
pub(super) struct Listener {
    broker_id: i32,
    address: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    /// `None` only when the port could not be bound again.
    Reserved(Option<Socket>),
    Listening {
        server: Arc<Server>,
        accepting: JoinHandle<()>,
    },
}

/// What the threads of one listening broker share.
#[derive(Debug)]
struct Server {
    broker_id: i32,
    shared: Arc<Shared>,
    stopping: AtomicBool,
    clients: Mutex<Vec<Client>>,
    /// Wakes those that hold back an answer when the broker stops.
    stop_lock: Mutex<()>,
    stop_told: Condvar,
}

#[derive(Debug)]
struct Client {
    stream: Arc<TcpStream>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Binds a free port.
    pub(super) fn reserve(broker_id: i32) -> io::Result<Self> {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { broker_id, address, state: State::Reserved(Some(socket)) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to accept connections, if it does not already.
    pub(super) fn listen(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        let State::Reserved(reserved) = &mut self.state else { return Ok(()) };
        let socket = reserved.take().map_or_else(|| bind(self.address), Ok)?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let server = Arc::new(Server {
            broker_id: self.broker_id,
            shared: Arc::clone(shared),
            stopping: AtomicBool::new(false),
            clients: Mutex::default(),
            stop_lock: Mutex::new(()),
            stop_told: Condvar::new(),
        });
        let accepting = {
            let server = Arc::clone(&server);
            spawn(move || accept(&server, &listener))?
        };
        self.state = State::Listening { server, accepting };
        Ok(())
    }

    /// Closes all connections, and refuses new ones.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        let State::Listening { server, accepting } =
            std::mem::replace(&mut self.state, State::Reserved(None))
        else {
            return Ok(());
        };
        server.stop();
        // The accepting thread is in accept(): one more connection gets it out of there. If that fails, so has accept.
        let _ = TcpStream::connect(self.address);
        let _ = accepting.join();
        server.shut_down_clients();
        server.join_clients();
        self.state = State::Reserved(Some(bind(self.address)?));
        Ok(())
    }

    /// Closes all connections, and goes on accepting.
    pub(super) fn disconnect_clients(&self) {
        if let State::Listening { server, .. } = &self.state {
            server.shut_down_clients();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only the reservation of the port can fail, and nobody needs it any more.
        let _ = self.stop();
    }
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Connections of the time before may linger on the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name("simulated-broker".to_owned()).stack_size(STACK_BYTES).spawn(run)
}

fn accept(server: &Arc<Server>, listener: &TcpListener) {
    let mut tidy_at = 64;
    loop {
        let accepted = listener.accept();
        if server.is_stopping() {
            return;
        }
        let added = accepted.and_then(|(stream, _)| server.add_client(stream));
        if added.is_err() {
            server.pause(ACCEPT_PAUSE);
        }
        // Finished threads are joined now and then, so that many short connections leave nothing behind.
        let mut clients = lock(&server.clients);
        if clients.len() >= tidy_at {
            let finished: Vec<_> = clients.extract_if(.., |client| client.thread.is_finished()).collect();
            tidy_at = (clients.len() * 2).max(64);
            drop(clients);
            finished.into_iter().for_each(Client::join);
        }
    }
}

impl Server {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn stop(&self) {
        let guard = lock(&self.stop_lock);
        self.stopping.store(true, Ordering::SeqCst);
        drop(guard);
        self.stop_told.notify_all();
    }

    /// Waits, but not longer than the broker runs.
    fn pause(&self, duration: Duration) {
        let guard = lock(&self.stop_lock);
        let waited = self.stop_told.wait_timeout_while(guard, duration, |()| !self.is_stopping());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn add_client(self: &Arc<Self>, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        // Counted before the thread runs, so that a client that got an answer finds itself counted.
        self.shared.change(|cluster| cluster.connection_opened(self.broker_id));
        let thread = {
            let (server, stream) = (Arc::clone(self), Arc::clone(&stream));
            spawn(move || {
                // An error here is the client's end of the connection.
                let _ = server.serve(&stream);
                let _ = stream.shutdown(Shutdown::Both);
                server.shared.change(|cluster| cluster.connection_closed(server.broker_id));
            })
        };
        match thread {
            Ok(thread) => lock(&self.clients).push(Client { stream, thread }),
            Err(error) => {
                self.shared.change(|cluster| cluster.connection_closed(self.broker_id));
                return Err(error);
            }
        }
        Ok(())
    }

    /// One connection from its first byte to its last.
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut connection = Connection::new(self.broker_id);
        let mut output = Vec::new();
        while !self.is_stopping() {
            let now_us = now_us();
            let progress = self.shared.change(|cluster| connection.advance(cluster, now_us, &mut output));
            if !output.is_empty() {
                stream.write_all(&output)?;
                output.clear();
            }
            match progress {
                Progress::Closed => return Ok(()),
                Progress::WaitUntil(due_us) => {
                    self.pause(Duration::from_micros(due_us.saturating_sub(now_us)));
                }
                Progress::Read => {
                    let count = stream.read(connection.space())?;
                    if count == 0 {
                        return Ok(());
                    }
                    connection.filled(count);
                }
            }
        }
        Ok(())
    }

    /// Shuts the sockets down; the threads end when they notice, and are joined later.
    fn shut_down_clients(&self) {
        for client in lock(&self.clients).iter() {
            // Fails when the client was faster.
            let _ = client.stream.shutdown(Shutdown::Both);
        }
    }

    fn join_clients(&self) {
        let clients = std::mem::take(&mut *lock(&self.clients));
        clients.into_iter().for_each(Client::join);
    }
}

impl Client {
    fn join(self) {
        // A panic was printed by the thread itself, and ended that connection only.
        let _ = self.thread.join();
    }
}
