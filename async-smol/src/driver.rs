//! The I/O, as one future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use async_io::Timer;
use felice_core::id::ConnectionId;
use felice_host::{Engine, Network, Readiness, Shared};

use crate::signal::Signal;
use crate::socket::Stream;

/// All of a producer's I/O: a future that ends when the producer is closed, or its last clone dropped, and every record
/// has its outcome. [`build`](felice_host::Builder::build) runs it on a thread of its own;
/// [`build_with_driver`](felice_host::Builder::build_with_driver) hands it out, to be spawned on any executor, one with
/// a single thread as well. It never blocks, and gives way after each turn.
///
/// After `fork` the child's copy ends when it is polled, and touches no socket.
///
/// Dropping it before it has ended, as by dropping its executor, ends the producer: every record that is held fails
/// (and may have been stored), and later sends are refused.
#[must_use = "nothing is sent unless the driver runs"]
pub struct Driver {
    /// None once this is another process.
    network: Option<Network<Stream>>,
    shared: Arc<Shared>,
    signal: Arc<Signal>,
    /// Sockets that may be ready; empty between two polls.
    ready: Vec<ConnectionId>,
    /// The timer, and when it is over; none while nothing is to be done by time.
    timer: Option<(Timer, Instant)>,
}

impl Driver {
    pub(crate) fn new(engine: Engine, shared: Arc<Shared>, signal: Arc<Signal>) -> Self {
        let network = Some(Network::new(engine, Arc::clone(&signal).into(), Arc::clone(&signal)));
        Self { network, shared, signal, ready: Vec::new(), timer: None }
    }

    /// In another process the sockets are the parent's, and so is the reactor's list of them: to close one here would take
    /// it away from the parent. They stay as they are until this process ends.
    fn leave_when_forked(&mut self) {
        if self.network.is_some() && self.shared.is_forked() {
            mem::forget(self.network.take());
            mem::forget(Arc::clone(&self.shared));
        }
    }

    /// Sees to it that the task is woken after `timeout`. A timer that is over before stays: to be woken too early costs
    /// less than to set it anew for every batch.
    fn set_timer(&mut self, timeout: Option<Duration>, context: &mut Context<'_>) {
        if timeout == Some(Duration::ZERO) {
            // Others have their turn first.
            return context.waker().wake_by_ref();
        }
        let Some(due) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) else {
            self.timer = None;
            return;
        };
        let (timer, until) = self.timer.get_or_insert_with(|| (Timer::at(due), due));
        if due < *until {
            timer.set_at(due);
            *until = due;
        }
        if Pin::new(timer).poll(context).is_ready() {
            self.timer = None;
            context.waker().wake_by_ref();
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.leave_when_forked();
        let this = &mut *self;
        let Some(network) = &mut this.network else { return Poll::Ready(()) };
        this.signal.begin(context.waker(), &mut this.ready);
        for id in this.ready.drain(..) {
            // Which of both it is, only the attempt tells for sure.
            network.handle(id, Readiness { readable: true, writable: true, closing: false });
        }
        network.turn();
        if network.is_ended() {
            this.timer = None;
            return Poll::Ready(());
        }
        let timeout = network.poll_timeout();
        this.set_timer(timeout, context);
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.leave_when_forked();
        // In another process its lock may be held for ever.
        if self.network.is_some() {
            self.signal.end();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("network", &self.network).finish()
    }
}
