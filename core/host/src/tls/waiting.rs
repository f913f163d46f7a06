//! TLS around a socket that waits: for who asks one question on a thread of its own, as OIDC does.

use std::io::{self, Read, Write};
use std::sync::Arc;

use felice_core::error::TlsFailure;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Error, StreamOwned};

use super::identity::Identity;
use super::{Current, Tls, failure};

/// A client's side. Its errors say what is wrong with which certificate, as everywhere.
pub(crate) struct Waiting<S: Read + Write> {
    stream: StreamOwned<ClientConnection, S>,
    identity: Arc<Identity>,
}

impl Tls {
    /// A connection's TLS, with what the files say now; it shakes hands when it is first written to. This may block.
    pub(crate) fn around<S: Read + Write>(&self, host: &str, socket: S) -> Result<Waiting<S>, TlsFailure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFailure::BadHost)?;
        let Current { config, identity, .. } = self.current().map_err(|refusal| refusal.failure)?;
        let tls = ClientConnection::new(config, name).map_err(|_| TlsFailure::Protocol)?;
        Ok(Waiting { stream: StreamOwned::new(tls, socket), identity })
    }
}

impl<S: Read + Write> Waiting<S> {
    fn explain<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            // The words are about brokers, and this is none.
            Some(inner) => {
                let words = failure::of(inner, &self.identity).to_string();
                io::Error::other(words.replace("the broker", "the server"))
            }
            None => error,
        })
    }
}

impl<S: Read + Write> Read for Waiting<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer);
        self.explain(read)
    }
}

impl<S: Read + Write> Write for Waiting<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        self.explain(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stream.flush();
        self.explain(flushed)
    }
}
