//! How sockets to brokers are set up, by either front-end: what the system is asked for before it begins to connect, since
//! buffers count for TCP's window only then. Nothing here waits.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Probes without an answer after which the system gives a connection up.
const PROBES: u32 = 3;

/// What sockets are to have beside the system's own defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// `send.buffer.bytes`; none leaves it to the system, as do the others.
    pub(crate) send_buffer: Option<usize>,
    /// `receive.buffer.bytes`.
    pub(crate) receive_buffer: Option<usize>,
    /// `socket.keepalive.ms`.
    pub(crate) keepalive: Option<Duration>,
    /// `socket.user.timeout.ms`.
    pub(crate) user_timeout: Option<Duration>,
}

impl SocketOptions {
    /// Begins to connect a socket that never waits. What is written to it leaves at once (`TCP_NODELAY`): batches are
    /// gathered already. It is connected when it can be written and has no error.
    ///
    /// # Errors
    ///
    /// The address cannot be reached, or the system has no socket left.
    pub fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        self.apply(&socket)?;
        match socket.connect(&address.into()) {
            Err(error) if !is_under_way(&error) => Err(error),
            _ => Ok(socket.into()),
        }
    }

    fn apply(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(idle) = self.keepalive {
            let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle).with_retries(PROBES);
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket.set_tcp_user_timeout(self.user_timeout)?;
        Ok(())
    }
}

/// Whether a socket that does not wait has begun to connect.
fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    let under_way = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let under_way = error.kind() == io::ErrorKind::WouldBlock;
    under_way
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn a_socket_has_what_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let options = SocketOptions {
            send_buffer: Some(20_000),
            receive_buffer: Some(10_000),
            keepalive: Some(Duration::from_secs(17)),
            user_timeout: Some(Duration::from_millis(4_321)),
        };
        let (stream, plain) =
            (options.connect(address).unwrap(), SocketOptions::default().connect(address).unwrap());
        let (socket, plain) = (SockRef::from(&stream), SockRef::from(&plain));
        assert!(socket.tcp_nodelay().unwrap() && plain.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap() && !plain.keepalive().unwrap());
        if cfg!(target_os = "linux") {
            // The kernel doubles it, for what it needs beside the bytes.
            let sizes = (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap());
            assert_eq!(sizes, (40_000, 20_000));
            let times = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
            assert_eq!(times, (Duration::from_secs(17), Duration::from_secs(17)));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
            assert_eq!(socket.tcp_user_timeout().unwrap(), options.user_timeout);
            assert_eq!(plain.tcp_user_timeout().unwrap(), None);
        }
    }

    #[test]
    fn what_cannot_be_reached_fails_at_once_or_later_and_waits_for_nobody() {
        let begun = std::time::Instant::now();
        // Of the range for documentation: nobody answers, or there is no way there.
        let _ = SocketOptions::default().connect("192.0.2.1:9092".parse().unwrap());
        assert!(begun.elapsed() < Duration::from_secs(5));
        // A broadcast is no address of a stream.
        assert!(SocketOptions::default().connect("255.255.255.255:9092".parse().unwrap()).is_err());
    }
}
