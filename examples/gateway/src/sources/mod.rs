//! Where lines come from, each on a thread of its own. A source never gives up: what is gone may come back.

mod file;
mod position;
mod stdin;
mod tcp;
mod udp;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::{Input, Source};
use crate::intake::Door;

/// So many bytes are read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// What could not be opened is tried again after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// A source at work.
#[derive(Debug)]
pub(crate) struct Running {
    /// No other has had it.
    pub(crate) number: u64,
    pub(crate) source: Source,
    pub(crate) door: Arc<Door>,
    pub(crate) thread: JoinHandle<()>,
}

impl Running {
    /// Begins. `ended` is called in the end, also after a panic.
    pub(crate) fn start(
        number: u64,
        source: Source,
        door: Door,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let door = Arc::new(door);
        let thread = std::thread::Builder::new().name(source.name.chars().take(15).collect()).spawn({
            let (door, source) = (Arc::clone(&door), source.clone());
            move || {
                let _ended = AtEnd(Some(ended));
                run(&door, &source);
            }
        })?;
        Ok(Self { number, source, door, thread })
    }
}

struct AtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

fn run(door: &Door, source: &Source) {
    let max = source.line_bytes_max;
    match &source.input {
        Input::Stdin => stdin::run(door, max),
        Input::File { path, position_file } => file::run(door, max, path, position_file.as_deref()),
        Input::Tcp { address, connections_max } => {
            open(door, || tcp::listen(*address), |listener| tcp::run(door, max, listener, *connections_max));
        }
        Input::Udp { address } => open(door, || udp::bind(*address), |socket| udp::run(door, max, socket)),
    }
}

/// Opens a socket and works with it, again and again until the end.
fn open<S>(door: &Door, open: impl Fn() -> io::Result<S>, work: impl Fn(&S) -> io::Result<()>) {
    loop {
        let worked = open().and_then(|socket| {
            door.counters.set_down(None);
            work(&socket)
        });
        match worked {
            Ok(()) => return,
            Err(error) => door.counters.set_down(Some(error.to_string())),
        }
        if door.stop.pause(AGAIN) {
            return;
        }
    }
}
