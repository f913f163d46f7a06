//! TLS in a program that was built without: these types have no values, so the compiler leaves out whatever would need
//! one. The settings refuse what would (see [`SecurityProtocol`](crate::SecurityProtocol)).

use std::io::IoSlice;

use felice_core::error::{Disconnect, TlsFailure};

use crate::transport::{Progress, Socket};

/// There is none.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn reads_files(&self) -> bool {
        match *self {}
    }

    #[cfg(feature = "oidc")]
    pub(crate) fn around<S>(&self, _: &str, _: S) -> Result<S, TlsFailure> {
        match *self {}
    }

    pub(crate) fn session(&self, _: &str) -> Result<Session, TlsFailure> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Session {}

impl Session {
    pub(crate) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_holding(&self) -> bool {
        match *self {}
    }

    pub(crate) fn receive<S: Socket>(&mut self, _: &mut S, _: bool) -> Result<Progress, Disconnect> {
        match *self {}
    }

    pub(crate) fn read<S: Socket>(
        &mut self,
        _: &mut S,
        _: &mut [u8],
        _: bool,
    ) -> Result<(usize, Progress), Disconnect> {
        match *self {}
    }

    pub(crate) fn write(&mut self, _: &[IoSlice<'_>]) -> Result<usize, Disconnect> {
        match *self {}
    }

    pub(crate) fn flush<S: Socket>(&mut self, _: &mut S, _: &mut bool) -> Result<usize, Disconnect> {
        match *self {}
    }

    pub(crate) fn close<S: Socket>(&mut self, _: &mut S, _: &mut bool) {
        match *self {}
    }
}
