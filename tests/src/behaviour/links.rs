//! Three real brokers at the far end of a link that breaks connections, stands still and splits; or that lets nothing
//! through to one of them, which accepts and never answers.

use std::thread;
use std::time::{Duration, Instant};

use felice_host::Builder;

use super::stream::{Stream, impatient};
use super::unreachable::{STARTS, refused, start_with};
use super::{FrontEnd, Target, soak, wait_until};
use crate::kafka::Kafka;
use crate::proxy::{Faults, Happened};

/// So many outcomes are waited for where records must go on.
const SOME: u64 = 500;

/// What a storm must have done before it may end.
const ENOUGH: Happened = Happened { cuts: 40, stalls: 30, pieces: 300 };

/// The longest stall: requests time out before, and so do the records of who is in a hurry.
const STALL_MAX: Duration = Duration::from_millis(2_500);

/// `request.timeout.ms` here.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// `delivery.timeout.ms` of who is in a hurry.
const HURRY: Duration = Duration::from_millis(1_500);

/// The broker that never answers.
const SILENT: i32 = 2;

/// Connections break at any byte in either direction, stand still, and give out their bytes in pieces. Who has time hears
/// of nothing; who is in a hurry loses records, and hears of each what is true.
pub fn a_storm<F: FrontEnd>(target: &Target) {
    let kafka = target.kafka();
    // Half a million records would take an hour.
    let apart = if soak::is_on() { 10 } else { 1 };
    let faults = Faults {
        seed: soak::seed(),
        cut_within: Some(10_000 * apart),
        stall_within: Some(20_000 * apart),
        stall_max: STALL_MAX,
        piece_max: Some(100),
    };
    println!("FELICE_LINK_SEED={} of {faults:?}", faults.seed);
    let far = Target::Far(kafka);
    let patient = Stream::<F>::new(&far, "storm", aware);
    let hurried = Stream::<F>::new(&far, "storm-hurried", |it| aware(it).delivery_timeout(HURRY));
    let before = kafka.link().happened();
    let sent = patient.send_both_during(&hurried, || {
        kafka.link().disturb(Some(faults));
        wait_until("the storm was one", || {
            let now = kafka.link().happened();
            now.cuts - before.cuts >= ENOUGH.cuts
                && now.stalls - before.stalls >= ENOUGH.stalls
                && now.pieces - before.pieces >= ENOUGH.pieces
        });
        hurried.loses();
        soak::until_heard(soak::records(), &|| patient.heard());
        kafka.link().disturb(None);
        patient.goes_on(SOME);
    });
    println!("before {before:?}, after {:?}", kafka.link().happened());
    finish_both(kafka, sent, patient, hurried);
}

/// One broker accepts connections and never answers, while the others know nothing of it: it leads what it leads. Its
/// records wait, or fail in time; new producers that are told of it first find their way.
pub fn a_silent_broker<F: FrontEnd>(target: &Target) {
    let kafka = target.kafka();
    let far = Target::Far(kafka);
    let patient = Stream::<F>::new(&far, "silent", aware);
    let hurried = Stream::<F>::new(&far, "silent-hurried", |it| aware(it).delivery_timeout(HURRY));
    let starts = format!("{}-silent-starts", F::NAME);
    kafka.oracle().create_topic_on(&starts, &[[1 + SILENT % 3, SILENT]], &[]);
    let [silent, other] = [SILENT, 1 + SILENT % 3].map(|broker| kafka.far_address(broker));
    let servers = format!("{silent},{},{other}", refused());
    let sent = patient.send_both_during(&hurried, || {
        hurried.goes_on(SOME);
        let begun = Instant::now();
        kafka.link().hold(kafka.far_address(SILENT));
        start_with::<F>(&servers, &starts);
        // Of what is sent a third is for the one that is silent.
        hurried.goes_on(SOME);
        hurried.loses();
        thread::sleep(soak::lasts(4, 30).saturating_sub(begun.elapsed()));
        kafka.link().release(kafka.far_address(SILENT));
        hurried.goes_on(SOME);
        patient.goes_on(SOME);
    });
    assert_eq!(target.read(&starts).len() % STARTS, 0);
    finish_both(kafka, sent, patient, hurried);
}

/// Finds out soon what is wrong with a link.
fn aware<F: FrontEnd>(builder: Builder<F>) -> Builder<F> {
    impatient(builder).request_timeout(REQUEST_TIMEOUT).socket_connection_setup_timeout(REQUEST_TIMEOUT)
}

/// All that was sent is as it was said to be, also after all that was under way over former connections has arrived.
fn finish_both<F: FrontEnd>(
    kafka: &Kafka,
    (of_patient, of_hurried): (u64, u64),
    patient: Stream<'_, F>,
    hurried: Stream<'_, F>,
) {
    patient.settled(of_patient);
    hurried.settled(of_hurried);
    wait_until("nothing is under way", || kafka.link().is_empty());
    patient.finish(of_patient, 0);
    hurried.finish_failing(of_hurried);
}
