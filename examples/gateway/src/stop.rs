//! How a thread that waits for sockets is told to end: a pipe that is closed is ready in every `poll`.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// One thread's end, and until when it may take.
#[derive(Debug)]
pub(crate) struct Stop {
    pipe: PipeReader,
    writer: Mutex<Option<PipeWriter>>,
    deadline: OnceLock<Instant>,
}

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        let (pipe, writer) = io::pipe()?;
        Ok(Self { pipe, writer: Mutex::new(Some(writer)), deadline: OnceLock::new() })
    }

    /// Asks the thread to end, and to be through with what it holds by `deadline`. The first word counts.
    pub(crate) fn ask(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.deadline.get().is_some()
    }

    /// Whether what is held is to be given up.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| *deadline <= Instant::now())
    }

    /// Waits until one of `others` can be read, the thread is asked to end, or `timeout` is over. Gives which ones can.
    pub(crate) fn wait<'a>(
        &'a self,
        others: impl IntoIterator<Item = &'a dyn AsFd>,
        timeout: Option<Duration>,
    ) -> io::Result<Vec<bool>> {
        let mut all = vec![PollFd::new(&self.pipe, PollFlags::IN)];
        all.extend(others.into_iter().map(|other| PollFd::from_borrowed_fd(other.as_fd(), PollFlags::IN)));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut all, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(all[1..].iter().map(|other| !other.revents().is_empty()).collect())
    }

    /// Waits for `pause`, or until the thread is asked to end: true then.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        // Whoever cannot wait must not spin.
        if self.wait([], Some(pause)).is_err() {
            std::thread::sleep(pause);
        }
        self.is_asked()
    }
}

#[test]
fn who_waits_is_woken_and_stays_awake() {
    let stop = std::sync::Arc::new(Stop::new().unwrap());
    assert!(!stop.pause(Duration::from_millis(1)));
    let waiting = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || stop.pause(Duration::from_secs(3600))
    });
    stop.ask(Instant::now());
    assert!(waiting.join().unwrap());
    assert!(stop.pause(Duration::from_secs(3600)) && stop.is_over());
}
