//! Proxies as companies have them, SOCKS5 and HTTP's CONNECT: they know where names lead that nobody else knows, they may
//! want a user and a password, and they refuse, stall and die when told to.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use base64ct::{Base64, Encoding};

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// RFC 1928, and RFC 1929 where there is a user.
    Socks5,
    /// CONNECT.
    Http,
}

/// How it treats connections from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Connects,
    /// It says no: SOCKS5's reply 2, or HTTP's status 403.
    Refuses,
    /// It reads, and never answers.
    Stalls,
    /// It goes when it is spoken to.
    Closes,
    /// It answers with this.
    Says(&'static [u8]),
    /// It connects, and dies when so many bytes have come from the client.
    Dies(u64),
}

/// A proxy on a port of its own. Dropped, it closes all connections and joins all threads.
pub struct ForwardProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    speaks: Speaks,
    user: Option<(&'static str, &'static str)>,
    names: BTreeMap<String, SocketAddr>,
    state: Mutex<State>,
}

struct State {
    manner: Manner,
    asked: Vec<String>,
    moved: Vec<(Instant, usize)>,
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
    stopping: bool,
}

impl ForwardProxy {
    /// A proxy that wants this user, if any, and knows where these names lead, whatever the port.
    ///
    /// # Panics
    ///
    /// Where the system has no port.
    pub fn start(
        speaks: Speaks,
        user: Option<(&'static str, &'static str)>,
        names: impl IntoIterator<Item = (String, SocketAddr)>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            manner: Manner::Connects,
            asked: Vec::new(),
            moved: Vec::new(),
            sockets: Vec::new(),
            threads: Vec::new(),
            stopping: false,
        };
        let names = names.into_iter().collect();
        let shared = Arc::new(Shared { speaks, user, names, state: Mutex::new(state) });
        let accepts = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = accepts.lock();
                if state.stopping {
                    return;
                }
                let serves = Arc::clone(&accepts);
                // Who asks has gone away: that is their affair.
                state.threads.push(thread::spawn(move || drop(serves.serve(client))));
            }
        });
        Self { shared, address, accepting: Some(accepting) }
    }

    /// `proxy.url`, with that user before the host.
    pub fn url_with(&self, user: &str) -> String {
        let scheme = if self.shared.speaks == Speaks::Socks5 { "socks5" } else { "http" };
        format!("{scheme}://{user}{}", self.address)
    }

    /// `proxy.url`, with the user that it wants.
    pub fn url(&self) -> String {
        let user = self.shared.user.map(|(name, password)| format!("{name}:{password}@"));
        self.url_with(&user.unwrap_or_default())
    }

    /// How it is from the next connection on.
    pub fn set(&self, manner: Manner) {
        self.shared.lock().manner = manner;
    }

    /// Which hosts it was asked for, once for each connection.
    pub fn asked(&self) -> Vec<String> {
        self.shared.lock().asked.clone()
    }

    /// The bytes that went between clients and brokers, in both directions, and when.
    pub fn moved(&self) -> Vec<(Instant, usize)> {
        self.shared.lock().moved.clone()
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.shared.lock().cut();
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        // Wakes who accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let threads = {
            let mut state = self.shared.lock();
            state.cut();
            std::mem::take(&mut state.threads)
        };
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl State {
    fn cut(&mut self) {
        for socket in self.sockets.drain(..) {
            // Fails where it has ended already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket that ends with the proxy, if not before.
    fn keep(&self, socket: &TcpStream) -> io::Result<()> {
        let mut state = self.lock();
        if state.stopping {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        state.sockets.push(socket.try_clone()?);
        Ok(())
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        self.keep(&client)?;
        let manner = self.lock().manner;
        let outcome = self.converse(&mut client, manner);
        let _ = client.shutdown(Shutdown::Both);
        outcome
    }

    fn converse(&self, client: &mut TcpStream, manner: Manner) -> io::Result<()> {
        match manner {
            Manner::Stalls => return io::copy(client, &mut io::sink()).map(|_| ()),
            Manner::Closes => return client.read(&mut [0; 512]).map(|_| ()),
            Manner::Says(bytes) => {
                client.write_all(bytes)?;
                return io::copy(client, &mut io::sink()).map(|_| ());
            }
            Manner::Connects | Manner::Refuses | Manner::Dies(_) => {}
        }
        let asked = match self.speaks {
            Speaks::Socks5 => self.hear_socks5(client)?,
            Speaks::Http => self.hear_http(client)?,
        };
        let Some(host) = asked else { return Ok(()) };
        let (yes, no): (&[u8], &[u8]) = match self.speaks {
            Speaks::Socks5 => (&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0], &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]),
            Speaks::Http => (b"HTTP/1.1 200 Connected\r\nVia: a proxy\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n"),
        };
        let target = self.names.get(&host).copied();
        self.lock().asked.push(host);
        let (Some(target), true) = (target, manner != Manner::Refuses) else { return client.write_all(no) };
        let server = TcpStream::connect(target)?;
        self.keep(&server)?;
        client.write_all(yes)?;
        self.relay(client, &server, if let Manner::Dies(after) = manner { after } else { u64::MAX })
    }

    /// Carries bytes to and fro until one side ends, or so many have come from the client.
    fn relay(&self, client: &TcpStream, server: &TcpStream, limit: u64) -> io::Result<()> {
        thread::scope(|threads| {
            threads.spawn(|| {
                let _ = self.copy(server, client, u64::MAX);
            });
            self.copy(client, server, limit)
        })
    }

    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream, limit: u64) -> io::Result<()> {
        let copied = (|| {
            let mut from = Read::take(&mut from, limit);
            let mut buffer = [0; 16 * 1024];
            loop {
                let count = from.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                self.lock().moved.push((Instant::now(), count));
                to.write_all(&buffer[..count])?;
            }
        })();
        // The other direction ends with this one.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
        copied
    }

    /// The host that is asked for; none where the client was refused.
    fn hear_socks5(&self, client: &mut TcpStream) -> io::Result<Option<String>> {
        let [version, count] = read(client)?;
        let mut methods = vec![0; usize::from(count)];
        client.read_exact(&mut methods)?;
        let wanted = if self.user.is_some() { 2 } else { 0 };
        if version != 5 || !methods.contains(&wanted) {
            return client.write_all(&[5, 0xff]).map(|()| None);
        }
        client.write_all(&[5, wanted])?;
        if let Some((name, password)) = self.user {
            let [_version] = read(client)?;
            let told = (read_text(client)?, read_text(client)?);
            let knows = told == (name.to_owned(), password.to_owned());
            client.write_all(&[1, u8::from(!knows)])?;
            if !knows {
                return Ok(None);
            }
        }
        let [_version, _command, _reserved, kind] = read(client)?;
        let host = match kind {
            1 => IpAddr::from(Ipv4Addr::from(read(client)?)).to_string(),
            4 => IpAddr::from(Ipv6Addr::from(read::<16>(client)?)).to_string(),
            _ => read_text(client)?,
        };
        let [_, _] = read(client)?;
        Ok(Some(host))
    }

    fn hear_http(&self, client: &mut TcpStream) -> io::Result<Option<String>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(read::<1>(client)?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if let Some((name, password)) = self.user {
            let pair = Base64::encode_string(format!("{name}:{password}").as_bytes());
            if !head.contains(&format!("\r\nProxy-Authorization: Basic {pair}\r\n")) {
                let no = b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
                return client.write_all(no).map(|()| None);
            }
        }
        let target =
            head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
        Ok(Some(host.to_owned()))
    }
}

fn read<const N: usize>(client: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).map(|()| bytes)
}

/// A length in one byte, and so many bytes.
fn read_text(client: &mut TcpStream) -> io::Result<String> {
    let [length] = read(client)?;
    let mut text = vec![0; usize::from(length)];
    client.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
