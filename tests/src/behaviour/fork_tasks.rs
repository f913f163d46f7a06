//! Tasks of the smol front-end at the moment of a fork: polled in the child, each that waits is told, and waits no more;
//! the driver ends there, and goes on in the parent.

use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::process::{ExitCode, exit};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use felice_core::record::ProducerRecord;
use felice_host::{CloseError, FlushError, PartitionsError, SendError};
use felice_smol::{Driver, Producer};
use fork::{ProcessFork, fork_process, waitpid};
use smol::block_on;
use smol::future::or;

use super::PATIENCE;
use super::fork::watch;

/// A task, with what it must be told turned into a truth.
type Task<'p> = (&'static str, Pin<Box<dyn Future<Output = bool> + 'p>>);

/// Tasks that wait, then a driver: polled, and again in a child.
pub fn program(bootstrap: &str, topic: &str) -> ExitCode {
    waiting();
    driving(bootstrap, topic);
    ExitCode::SUCCESS
}

fn waiting() {
    // It takes connections, and never answers.
    let broker = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let bootstrap = broker.local_addr().expect("it is bound").to_string();
    let build = || -> Producer {
        let builder = Producer::builder().bootstrap_servers(&bootstrap).drop_timeout(Duration::ZERO);
        builder.buffer_memory(16 * 1024).max_request_size(8 * 1024).build().expect("the settings fit")
    };
    let (producer, closing) = (build(), build());
    let mut tasks = tasks(&producer, &closing);
    for (name, task) in &mut tasks {
        assert!(poll(task.as_mut()).is_pending(), "{name} has nothing to wait for");
    }
    in_child(|| {
        for (name, task) in &mut tasks {
            assert_eq!(poll(task.as_mut()), Poll::Ready(true), "{name}");
        }
    });
}

fn tasks<'p>(producer: &'p Producer, closing: &'p Producer) -> Vec<Task<'p>> {
    let record = ProducerRecord::new("t", [7_u8; 7_000]);
    let held = producer.try_send(record).expect("there is room");
    closing.try_send(record).expect("there is room");
    while producer.try_send(record).is_ok() {}
    vec![
        ("a send", Box::pin(async move { producer.send(record).await.err() == Some(SendError::Forked) })),
        (
            "an outcome",
            Box::pin(async { held.await.is_err_and(|it| it.to_string().contains("after fork()")) }),
        ),
        ("a flush", Box::pin(async { producer.flush().await == Err(FlushError::Forked) })),
        (
            "partitions_for",
            Box::pin(async { producer.partitions_for("t").await == Err(PartitionsError::Forked) }),
        ),
        ("a close", Box::pin(async { closing.close(PATIENCE).await == Err(CloseError::Forked) })),
    ]
}

/// The child leaves the sockets alone: the reactor's list of them is one for both processes.
fn driving(bootstrap: &str, topic: &str) {
    let step = watch("parent");
    // That a socket is lost must not be found out in time.
    let builder = Producer::builder().bootstrap_servers(bootstrap).request_timeout(2 * PATIENCE);
    let (producer, mut driver) =
        builder.delivery_timeout(3 * PATIENCE).build_with_driver().expect("the settings fit");
    send(&producer, &mut driver, topic);
    in_child(|| assert!(poll(Pin::new(&mut driver)).is_ready(), "the child's driver ends"));
    *step.lock().expect("nobody panics") = "the parent's driver";
    send(&producer, &mut driver, topic);
    *step.lock().expect("nobody panics") = "the end";
    // The driver is dropped before it has ended.
}

fn send(producer: &Producer, driver: &mut Driver, topic: &str) {
    let delivery = producer.try_send(ProducerRecord::new(topic, "parent")).expect("there is room");
    let outcome = async { Some(delivery.await) };
    let ended = async {
        driver.await;
        None
    };
    block_on(or(outcome, ended)).expect("the driver goes on").expect("it is stored");
}

fn in_child(code: impl FnOnce()) {
    match fork_process().expect("there are processes left") {
        ProcessFork::Child => {
            let _step = watch("child");
            code();
            exit(0)
        }
        ProcessFork::Parent(child) => {
            assert_eq!(waitpid(child.into()).expect("it is a child"), 0, "the child has failed: see above");
        }
    }
}

fn poll<T>(task: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    task.poll(&mut Context::from_waker(Waker::noop()))
}
