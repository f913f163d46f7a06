//! The deterministic simulation. A failure names its seed; `cargo run --release -p felice-tests --bin simulate SEED`
//! shows the run, one line per event.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use felice_tests::cluster::Action;
use felice_tests::protocol::ApiKey;
use felice_tests::simulation::{self, Nth, Proof, Trace, run_nth};

/// Seeds of the test command; the soak runs others, by the program `simulate`.
const SEEDS: u64 = 3_000;

#[test]
fn every_seed_keeps_every_promise() {
    let (next, accepted, acknowledged, hours) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            let run = std::panic::catch_unwind(|| simulation::run(seed, Trace::Off).0);
            let Ok(report) = run else { panic!("seed {seed}: `simulate {seed}` shows the run") };
            accepted.fetch_add(report.accepted, Ordering::Relaxed);
            acknowledged.fetch_add(report.acknowledged, Ordering::Relaxed);
            hours.fetch_add(report.virtual_us, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| worker.join().expect("see above"));
    });
    let (accepted, acknowledged) = (accepted.into_inner(), acknowledged.into_inner());
    println!(
        "{SEEDS} seeds, {accepted} records, {acknowledged} acknowledged, {} virtual seconds",
        hours.into_inner() / 1_000_000
    );
    // Where nearly nothing is accepted, or nearly nothing goes wrong, nothing is shown.
    assert!(accepted > 20 * SEEDS && acknowledged > accepted / 3 && acknowledged < accepted * 9 / 10);
}

#[test]
fn the_same_seed_gives_the_same_run_byte_for_byte() {
    for seed in (0..200).step_by(7) {
        let run = || simulation::run(seed, Trace::Kept(String::new()));
        let ((report, trace), (again, trace_again)) = (run(), run());
        let Trace::Kept(lines) = &trace else { panic!("it was kept") };
        assert!(lines.lines().count() > 10, "seed {seed}");
        assert_eq!((report, &trace), (again, &trace_again), "seed {seed}");
    }
    let (one, two) = (simulation::run(1, Trace::Off).0, simulation::run(2, Trace::Off).0);
    assert_ne!(one, two);
}

/// Runs n = 1, 2, 3 and so on, until a run passes untouched: how many were touched.
fn until_untouched(proof: Option<Proof>, nth: impl Fn(u32) -> Nth) -> u32 {
    let untouched = (1..100_000).find(|n| !run_nth(nth(*n), proof, Trace::Off));
    untouched.expect("a run ends") - 1
}

/// Where nobody asks who the producer is, and where somebody does. SCRAM has a message more, and takes longer: it is
/// where that matters.
const PROOFS: [Option<Proof>; 3] = [None, Some(Proof::Plain), Some(Proof::Token)];

#[test]
fn a_connection_that_breaks_at_any_byte_is_no_failure() {
    for proof in PROOFS {
        let towards_broker = until_untouched(proof, |n| Nth::CutToBroker(n as usize));
        let towards_client = until_untouched(proof, |n| Nth::CutToClient(n as usize));
        println!("{proof:?}: {towards_broker} bytes towards the broker, {towards_client} towards the client");
        assert!(towards_broker > 1_000 && towards_client > 500);
    }
    // Of SCRAM, whose password takes long to hash, the bytes at which it is something else than a token.
    for bytes in 1..=400 {
        for nth in [Nth::CutToBroker(bytes), Nth::CutToClient(bytes)] {
            assert!(
                run_nth(nth, Some(Proof::ScramSha256), Trace::Off),
                "{nth:?}: the connection did not break"
            );
        }
    }
}

#[test]
fn any_request_may_go_unanswered() {
    let always = [ApiKey::API_VERSIONS, ApiKey::METADATA, ApiKey::INIT_PRODUCER_ID, ApiKey::PRODUCE];
    let with_sasl = [ApiKey::SASL_HANDSHAKE, ApiKey::SASL_AUTHENTICATE];
    for proof in PROOFS.into_iter().chain([Some(Proof::ScramSha256)]) {
        for api in always.into_iter().chain(with_sasl.into_iter().filter(|_| proof.is_some())) {
            for action in [Action::Drop, Action::ApplyThenDrop, Action::Close, Action::ApplyThenClose] {
                let touched = until_untouched(proof, |n| Nth::Lost(api, n, action));
                println!("{proof:?}, {api:?}, {action:?}: {touched}");
                assert!(touched >= 1);
                // Two connections, one of which authenticates again.
                assert!(touched >= 3 || !with_sasl.contains(&api), "no session was renewed");
            }
        }
    }
}

#[test]
fn any_write_may_stop_at_any_byte() {
    for proof in PROOFS {
        let mut writes = 0;
        for bytes in [1, 2, 3, 7, 60, 61, 62, 100] {
            writes = until_untouched(proof, |n| Nth::ShortWrite(n.into(), bytes));
        }
        println!("{proof:?}: {writes} writes");
        assert!(writes >= 10);
    }
}

#[test]
fn memory_may_be_short() {
    for proof in PROOFS {
        // With less than a record and a block more there is no way.
        let short = (4..1_000).take_while(|blocks| run_nth(Nth::Blocks(*blocks), proof, Trace::Off)).count();
        println!("{proof:?}: with {short} amounts of memory records had to wait");
        assert!(short >= 10);
    }
}
