//! A port that speaks TLS, and a broker's port behind it that does not.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};

/// How a server's handshakes went.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Handshakes {
    /// With certificates.
    pub full: u64,
    /// Of a session that was known.
    pub resumed: u64,
    /// Not to their end.
    pub failed: u64,
    /// Of those that succeeded, with TLS 1.3.
    pub tls13: u64,
}

/// A TLS server before a broker. Dropped, it closes everything and joins its threads.
pub struct Terminator {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    target: SocketAddr,
    config: Mutex<Arc<ServerConfig>>,
    handshakes: Mutex<Handshakes>,
    /// Told after each handshake.
    changed: Condvar,
    stopping: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Terminator {
    /// A server on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// Where the system has no port.
    pub fn start(target: SocketAddr, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target,
            config: Mutex::new(config),
            handshakes: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let accepts = Arc::clone(&shared);
        let accepting = Some(thread::spawn(move || accepts.accept(&listener)));
        Self { shared, address, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is from the next connection on.
    pub fn set_config(&self, config: Arc<ServerConfig>) {
        *lock(&self.shared.config) = config;
    }

    /// Closes all connections, and goes on accepting.
    pub fn disconnect_clients(&self) {
        for stream in lock(&self.shared.streams).drain(..) {
            // Fails when the other side was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How the handshakes went so far.
    pub fn handshakes(&self) -> Handshakes {
        *lock(&self.shared.handshakes)
    }

    /// Waits until they went like that; false when that takes longer than `timeout`.
    pub fn wait_until(&self, timeout: Duration, wish: impl Fn(&Handshakes) -> bool) -> bool {
        let guard = lock(&self.shared.handshakes);
        let waited = self.shared.changed.wait_timeout_while(guard, timeout, |it| !wish(it));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection: here is one. If that fails, so has its accept.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            // A panic was printed by the thread itself.
            let _ = accepting.join();
        }
        self.disconnect_clients();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().map_while(Result::ok) {
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            let shared = Arc::clone(&self);
            // An error is the end of that connection, on either side.
            thread::spawn(move || shared.serve(client));
        }
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        lock(&self.streams).push(client.try_clone()?);
        let config = Arc::clone(&lock(&self.config));
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut client) {
                self.count(|it| it.failed += 1);
                return Err(error);
            }
        }
        self.count(|it| {
            match tls.handshake_kind() {
                Some(HandshakeKind::Resumed) => it.resumed += 1,
                _ => it.full += 1,
            }
            it.tls13 += u64::from(tls.protocol_version() == Some(ProtocolVersion::TLSv1_3));
        });
        let broker = TcpStream::connect(self.target)?;
        broker.set_nodelay(true)?;
        lock(&self.streams).push(broker.try_clone()?);
        let tls = Mutex::new(tls);
        thread::scope(|scope| {
            scope.spawn(|| end_both(&client, &broker, answer(&tls, &client, &broker)));
            end_both(&client, &broker, ask(&tls, &client, &broker));
        });
        Ok(())
    }

    fn count(&self, change: impl FnOnce(&mut Handshakes)) {
        change(&mut lock(&self.handshakes));
        self.changed.notify_all();
    }
}

/// Where one direction ends, so does the other.
fn end_both(client: &TcpStream, broker: &TcpStream, _: io::Result<()>) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = broker.shutdown(Shutdown::Both);
}

/// From the client to the broker.
fn ask(tls: &Mutex<ServerConnection>, mut client: &TcpStream, mut broker: &TcpStream) -> io::Result<()> {
    let (mut raw, mut plain) = (vec![0; 64 * 1024], Vec::new());
    // What came with the end of the handshake.
    let mut bytes: &[u8] = &[];
    loop {
        {
            let mut tls = lock(tls);
            take(&mut tls, &mut plain);
            while !bytes.is_empty() {
                tls.read_tls(&mut bytes)?;
                tls.process_new_packets().map_err(io::Error::other)?;
                take(&mut tls, &mut plain);
            }
            while tls.wants_write() {
                tls.write_tls(&mut client)?;
            }
        }
        broker.write_all(&plain)?;
        plain.clear();
        let count = client.read(&mut raw)?;
        if count == 0 {
            return Ok(());
        }
        bytes = &raw[..count];
    }
}

fn take(tls: &mut ServerConnection, plain: &mut Vec<u8>) {
    // `WouldBlock` ends it: nothing more is decrypted.
    let _ = tls.reader().read_to_end(plain);
}

/// From the broker to the client.
fn answer(tls: &Mutex<ServerConnection>, mut client: &TcpStream, mut broker: &TcpStream) -> io::Result<()> {
    let mut plain = vec![0; 16 * 1024];
    loop {
        let count = broker.read(&mut plain)?;
        if count == 0 {
            return Ok(());
        }
        let mut tls = lock(tls);
        tls.writer().write_all(&plain[..count])?;
        while tls.wants_write() {
            tls.write_tls(&mut client)?;
        }
    }
}

/// A test that fails within a lock must not hide its own message behind those of others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
