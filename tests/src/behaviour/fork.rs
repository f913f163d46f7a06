//! A process that forks: the parent's producer goes on as if nothing had happened, and in the child nothing hangs.

use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use felice_core::record::ProducerRecord;
use felice_host::{CloseError, FlushError, PartitionsError, SendError};
use fork::{ProcessFork, fork_process, waitpid};

use super::{Closure, FrontEnd, Handle, NoMetadata, PATIENCE};

/// How often it forks.
pub const FORKS: usize = 20;
/// Threads that take and give back the producer's lock all the time: some forks fall into that.
const BUSY: u64 = 3;
/// As many as the parent has, at least.
const THREADS: usize = 16;
/// Longer than a batch: by then a send has to wake the driver, or to wait.
const SENDS: usize = 10_000;

/// What the processes say at the end: so many records are stored.
pub const STORED: &str = "stored";

/// Forks again and again while other threads send; prints how many records must be stored.
pub fn program<F: FrontEnd>(bootstrap: &str, topic: &str) -> ExitCode {
    let step = watch("parent");
    let build = |linger| {
        let builder = felice_host::Builder::<F>::new().bootstrap_servers(bootstrap).linger(linger);
        builder.buffer_memory(64 * 1024).build().expect("the settings fit")
    };
    let busy: F = build(Duration::ZERO);
    let (accepted, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let send_on = || {
        while !stop.load(Ordering::Relaxed) {
            match busy.try_send(&ProducerRecord::new(topic, "parent")) {
                Ok(_) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                Err(error) => assert_eq!(error, SendError::WouldBlock),
            }
        }
    };
    thread::scope(|scope| {
        (0..BUSY).for_each(|_| drop(scope.spawn(send_on)));
        for _ in 0..FORKS {
            let idle: F = build(Duration::from_secs(60));
            let held = idle.send(&ProducerRecord::new(topic, "parent").partition(0)).expect("there is room");
            match fork_process().expect("there are processes left") {
                ProcessFork::Child => child(bootstrap, topic, &busy, idle, held),
                ProcessFork::Parent(child) => {
                    *step.lock().expect("nobody panics") = "the child";
                    assert_eq!(
                        waitpid(child.into()).expect("it is a child"),
                        0,
                        "the child has failed: see above"
                    );
                }
            }
            *step.lock().expect("nobody panics") = "the parent's close";
            idle.close(PATIENCE).expect("all is sent");
            assert!(held.get().is_ok(), "the parent's record has its outcome");
        }
        stop.store(true, Ordering::Relaxed);
    });
    busy.close(PATIENCE).expect("all is sent");
    println!("{STORED} {}", accepted.into_inner() as usize + 2 * FORKS);
    ExitCode::SUCCESS
}

fn child<F: FrontEnd>(bootstrap: &str, topic: &str, busy: &F, idle: F, held: F::Handle) -> ! {
    let watched = watch("child");
    let step = |name| *watched.lock().expect("nobody panics") = name;
    let lost = ProducerRecord::new(topic, "child, by the parent's producer");
    let called: Closure = Box::new(|_| panic!("there is nobody who could have the outcome"));
    step("get");
    match held.get() {
        Err(NoMetadata::Forked) => {}
        // A future's outcome is the record's, with no third word.
        Err(NoMetadata::Failed(error)) if F::NAME == "smol" && error.to_string().contains("after fork()") => {
        }
        other => panic!("get: {other:?}"),
    }
    step("partitions_for");
    assert_eq!(idle.partitions_for("another"), Err(PartitionsError::Forked));
    for producer in [busy, &idle] {
        step("flush");
        assert_eq!(producer.flush(), Err(FlushError::Forked));
        step("send");
        let refused = (0..SENDS).find_map(|_| producer.send(&lost).err());
        assert_eq!(refused, Some(SendError::Forked));
        step("close");
        assert_eq!(producer.close(PATIENCE), Err(CloseError::Forked));
        step("debug");
        drop(format!("{producer:?}"));
    }
    assert_eq!(busy.send_with(&lost, called), Err(SendError::Forked));
    // Threads get the places of the parent's: what the drop does to those it does to these.
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(thread::park)).collect();
    step("drop");
    drop(idle);
    step("threads");
    for thread in threads {
        thread.thread().unpark();
        thread.join().expect("it is a thread like any other");
    }
    step("a new producer");
    // Not `F`: async-io's reactor does not live through a fork.
    let producer =
        felice_blocking::Producer::builder().bootstrap_servers(bootstrap).build().expect("the settings fit");
    producer.send(ProducerRecord::new(topic, "child")).expect("there is room").get().expect("it is stored");
    producer.close(PATIENCE).expect("all is sent");
    exit(0)
}

/// Ends this process when it takes too long, and says at which step. A panic ends it, too, whichever thread's it is.
pub(super) fn watch(who: &'static str) -> Arc<Mutex<&'static str>> {
    let step = Arc::new(Mutex::new("begin"));
    let watched = Arc::clone(&step);
    thread::spawn(move || {
        thread::sleep(PATIENCE);
        eprintln!("{who} hangs: {}", watched.lock().expect("nobody panics"));
        exit(2)
    });
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("{who}: {panic}");
        exit(1)
    }));
    step
}
