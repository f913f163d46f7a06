//! What wakes the driver's task, and for which of its sockets: however many there are, only those are looked at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use felice_core::id::ConnectionId;

/// Shared by the driver, its sockets' wakers, and whoever gives the driver something to do.
#[derive(Debug, Default)]
pub(crate) struct Signal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The task's; none before the driver is polled for the first time.
    task: Option<Waker>,
    /// It was woken, and has not begun to run since.
    woken: bool,
    /// Sockets that may be ready, each once.
    ready: Vec<ConnectionId>,
}

impl Signal {
    /// The task runs: what happens from now on wakes it again. The sockets that may be ready are put into `ready`, which
    /// is empty.
    pub(crate) fn begin(&self, task: &Waker, ready: &mut Vec<ConnectionId>) {
        let mut state = self.lock();
        state.woken = false;
        match &mut state.task {
            Some(known) => known.clone_from(task),
            None => state.task = Some(task.clone()),
        }
        std::mem::swap(&mut state.ready, ready);
    }

    /// The task will not run again: the producer, which lives on, does not keep its waker.
    pub(crate) fn end(&self) {
        let task = self.lock().task.take();
        drop(task);
    }

    /// A waker for what waits for a socket.
    pub(crate) fn socket(self: &Arc<Self>, connection: ConnectionId) -> Waker {
        Arc::new(SocketWaker { signal: Arc::clone(self), connection }).into()
    }

    fn signal(&self, connection: Option<ConnectionId>) {
        let mut state = self.lock();
        if let Some(connection) = connection
            && !state.ready.contains(&connection)
        {
            state.ready.push(connection);
        }
        let task = if std::mem::replace(&mut state.woken, true) { None } else { state.task.clone() };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Nothing that runs under it panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.signal(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal(None);
    }
}

struct SocketWaker {
    signal: Arc<Signal>,
    connection: ConnectionId,
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal.signal(Some(self.connection));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_is_woken_once_until_it_runs_and_told_each_socket_once() {
        let (signal, task) = (Arc::new(Signal::default()), Arc::new(Task::default()));
        let (waker, mut ready) = (Waker::from(Arc::clone(&task)), Vec::new());
        let woken = || task.0.swap(0, Ordering::Relaxed);
        let id = |slot| ConnectionId { slot, generation: 1 };

        Waker::from(Arc::clone(&signal)).wake();
        signal.begin(&waker, &mut ready);
        assert_eq!((woken(), ready.len()), (0, 0), "there was no task yet: it runs now");

        let sockets = [signal.socket(id(3)), signal.socket(id(5))];
        sockets.iter().chain(&sockets).for_each(Waker::wake_by_ref);
        Waker::from(Arc::clone(&signal)).wake();
        assert_eq!(woken(), 1);
        signal.begin(&waker, &mut ready);
        assert_eq!(ready, [id(3), id(5)]);

        ready.clear();
        sockets[0].wake_by_ref();
        assert_eq!(woken(), 1, "also while it runs");
        signal.begin(&waker, &mut ready);
        assert_eq!(ready, [id(3)]);
    }
}
