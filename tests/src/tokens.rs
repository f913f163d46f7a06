//! A server of tokens, as OIDC has them: it knows one client, and answers as it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use base64ct::{Base64, Encoding};

/// Whom it knows.
pub const CLIENT_ID: &str = "gateway-7";
/// That client's secret.
pub const CLIENT_SECRET: &str = "secret/of:the client";

/// Status and body.
type Answer = (u16, String);

/// A server on a port of its own. Dropped, it answers nobody any more, and joins its thread.
pub struct TokenServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Mutex<Box<dyn FnMut() -> Answer + Send>>,
    asked: AtomicU32,
    stopping: AtomicBool,
}

/// An answer with a token that is good for so many seconds.
pub fn granted(token: &str, seconds: i64) -> Answer {
    (200, format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#))
}

impl TokenServer {
    /// A server that answers so those that it knows, and refuses all others.
    ///
    /// # Panics
    ///
    /// Where the system has no port.
    pub fn start(answer: impl FnMut() -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            answer: Mutex::new(Box::new(answer)),
            asked: AtomicU32::new(0),
            stopping: AtomicBool::new(false),
        });
        let serves = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serves.stopping.load(Ordering::SeqCst) {
                    return;
                }
                // Who asks has gone away: that is their affair.
                let _ = serves.serve(&stream);
            }
        });
        Self { shared, address, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where tokens are asked for.
    pub fn url(&self) -> String {
        format!("http://{}/oauth2/token", self.address)
    }

    /// How often it was asked.
    pub fn asked(&self) -> u32 {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection: here is one. If that fails, so has its accept.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            // A panic was printed by the thread itself.
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let (head, form) = read(stream)?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let known = Base64::encode_string(format!("{CLIENT_ID}:{CLIENT_SECRET}").as_bytes());
        let known = head.contains(&format!("\r\nAuthorization: Basic {known}\r\n"));
        let (status, body) = if !head.starts_with("POST /oauth2/token HTTP/1.1\r\n") {
            (404, String::new())
        } else if !form.starts_with("grant_type=client_credentials") {
            (400, r#"{"error":"unsupported_grant_type"}"#.to_owned())
        } else if !known {
            (401, r#"{"error":"invalid_client"}"#.to_owned())
        } else {
            self.answer.lock().unwrap_or_else(PoisonError::into_inner)()
        };
        let length = body.len();
        stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())
    }
}

/// Head and body of a question.
fn read(stream: &TcpStream) -> io::Result<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}
