//! What wakes the driver's task of the smol front-end.

use std::task::{Poll, Waker};

use felice_core::id::ConnectionId;
use loom::thread::spawn;

use crate::signal::Signal;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::{model, parker};

const SOCKET: ConnectionId = ConnectionId { slot: 3, generation: 1 };

/// Red where the task takes what is ready before it says that it runs, and where it does not say that.
#[test]
fn the_task_hears_of_all_work_and_of_each_socket() {
    model(None, || {
        let signal = Arc::new(Signal::default());
        let work = Arc::new(AtomicBool::new(false));
        let user = {
            let (signal, work) = (Waker::from(Arc::clone(&signal)), Arc::clone(&work));
            spawn(move || {
                work.store(true, Ordering::Release);
                signal.wake();
            })
        };
        let socket = signal.socket(SOCKET);
        let reactor = spawn(move || socket.wake());
        let (mut ready, mut is_ready, mut has_work) = (Vec::new(), false, false);
        parker::wait(None, |context| {
            signal.begin(context.waker(), &mut ready);
            is_ready |= ready.drain(..).any(|id| id == SOCKET);
            has_work |= work.load(Ordering::Acquire);
            if is_ready && has_work { Poll::Ready(()) } else { Poll::Pending }
        });
        signal.end();
        user.join().unwrap();
        reactor.join().unwrap();
    });
}
