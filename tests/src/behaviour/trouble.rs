//! What a real cluster of three brokers goes through: restarts, a new controller, a power cut, brokers that are too few
//! or too slow for what is asked, and connections that are closed when nobody uses them. Nobody hears of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::stream::{PARTITIONS, Stream};
use super::unreachable::{STARTS, refused, start_with};
use super::{FrontEnd, Target, soak, wait_until};
use crate::kafka::Kafka;
use crate::proxy::Link;

/// So many outcomes are waited for where records must go on.
const SOME: u64 = 500;

/// After how long brokers close a connection that nobody uses.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Three brokers for all of it, until the process ends.
pub fn cluster() -> Target {
    let kafka = Kafka::builder()
        .brokers(3)
        .property("auto.create.topics.enable", "false")
        .property("broker.session.timeout.ms", "3000")
        .property("connections.max.idle.ms", &IDLE_MAX.as_millis().to_string())
        .behind(&Arc::new(Link::new(Duration::ZERO)));
    // As what tests share, it ends with the process.
    Target::Real(Box::leak(Box::new(kafka.start())))
}

/// Every broker is restarted, one after the other.
pub fn rolling_restart<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "rolling-restart", |builder| builder.batch_size(300));
    let kafka = target.kafka();
    let sent = stream.send_during(|| {
        for &broker in kafka.broker_ids() {
            stream.goes_on(SOME);
            kafka.restart(broker);
            wait_until_in_sync(kafka, &stream.topic);
        }
        stream.goes_on(SOME);
    });
    stream.finish(sent, 0);
}

/// Each broker is killed in turn while it leads a partition, and comes back; the controller that leads the others is the
/// first. While one is away new producers find their way past it.
pub fn each_leader_killed<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "leaders-killed", |builder| builder.batch_size(300));
    let starts = format!("{}-starts", F::NAME);
    target.create_topic(&starts, 1);
    let kafka = target.kafka();
    let sent = stream.send_during(|| {
        let controller = kafka.oracle().controller();
        for victim in (0..3).map(|next| 1 + (controller - 1 + next) % 3) {
            stream.goes_on(SOME);
            // Who was away leads nothing since.
            kafka.oracle().move_leader(&stream.topic, 0, victim);
            kafka.kill(victim);
            wait_until("another controller leads", || kafka.oracle().controller() != victim);
            let led = |leader: Option<i32>| leader.is_some_and(|leader| leader != victim);
            wait_until("others lead", || {
                kafka.oracle().describe(&stream.topic).iter().all(|it| led(it.leader))
            });
            stream.goes_on(SOME);
            let [dead, alive] = [victim, 1 + victim % 3].map(|broker| kafka.address(broker));
            start_with::<F>(&format!("{dead},{},{alive}", refused()), &starts);
            kafka.restart(victim);
            wait_until_in_sync(kafka, &stream.topic);
        }
        stream.goes_on(SOME);
    });
    stream.finish(sent, 0);
    assert_eq!(target.read(&starts).len() % (3 * STARTS), 0);
}

/// A broker stands still for longer than requests may take, and than the others wait for it. They take over what it leads;
/// when it goes on it has been asked what others have answered since.
pub fn a_broker_paused<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "paused", |builder| {
        builder.batch_size(300).request_timeout(Duration::from_secs(2))
    });
    let kafka = target.kafka();
    let sent = stream.send_during(|| {
        stream.goes_on(SOME);
        let leader = kafka.oracle().leader(&stream.topic, 0).expect("all brokers are up");
        let begun = Instant::now();
        kafka.pause(leader);
        // Its own partition's, too.
        stream.goes_on(SOME);
        thread::sleep(soak::lasts(6, 20).saturating_sub(begun.elapsed()));
        kafka.resume(leader);
        wait_until_in_sync(kafka, &stream.topic);
        stream.goes_on(SOME);
    });
    stream.finish(sent, 0);
}

/// All brokers are killed, and are back after a while. What was accepted before and meanwhile arrives; who is in a hurry
/// hears what is true.
pub fn all_brokers_down<F: FrontEnd>(target: &Target) {
    // However long the brokers take to start.
    let patient = Stream::<F>::new(target, "all-down", |builder| {
        builder.batch_size(300).delivery_timeout(Duration::from_secs(600))
    });
    let hurried = Stream::<F>::new(target, "all-down-hurried", |builder| {
        builder
            .batch_size(300)
            .request_timeout(Duration::from_secs(1))
            .delivery_timeout(Duration::from_secs(3))
    });
    let kafka = target.kafka();
    let (of_patient, of_hurried) = patient.send_both_during(&hurried, || {
        patient.goes_on(SOME);
        let begun = Instant::now();
        on_all(kafka, Kafka::kill);
        hurried.goes_on(SOME);
        hurried.loses();
        thread::sleep(soak::lasts(8, 30).saturating_sub(begun.elapsed()));
        on_all(kafka, Kafka::restart);
        wait_until_in_sync(kafka, &patient.topic);
        println!("all are back, and in sync, after {:.2?}", begun.elapsed());
        patient.goes_on(SOME);
        println!("records arrive after {:.2?}", begun.elapsed());
    });
    patient.finish(of_patient, 0);
    hurried.finish_failing(of_hurried);
}

/// A topic that needs all three brokers while one of them is killed: nothing is acknowledged until it is back.
pub fn too_few_in_sync<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-too-few", F::NAME);
    let kafka = target.kafka();
    let replicas = (0..PARTITIONS).map(|first| [0, 1, 2].map(|next| 1 + (first + next) % 3));
    let replicas: Vec<[i32; 3]> = replicas.collect();
    kafka.oracle().create_topic_on(&topic, &replicas, &[("min.insync.replicas", "3")]);
    let stream = Stream::<F>::to(target, topic, |builder| builder.batch_size(300));
    let sent = stream.send_during(|| {
        stream.goes_on(SOME);
        kafka.kill(1);
        let of_others = |in_sync: &[i32]| !in_sync.contains(&1);
        wait_until("it is out of sync", || {
            kafka.oracle().describe(&stream.topic).iter().all(|it| of_others(&it.in_sync))
        });
        let acknowledged = stream.heard();
        thread::sleep(Duration::from_secs(2));
        assert_eq!(stream.heard(), acknowledged, "two of three acknowledge what needs three");
        kafka.restart(1);
        stream.goes_on(SOME);
    });
    stream.finish(sent, 0);
}

/// A quota holds the client back for longer than its requests may take.
pub fn a_quota<F: FrontEnd>(target: &Target) {
    let limit = if soak::is_on() { 500_000 } else { 10_000 };
    let client_id = format!("{}-limited", F::NAME);
    target.kafka().oracle().limit(&client_id, limit);
    let begun = Instant::now();
    let stream = Stream::<F>::new(target, "quota", |builder| {
        builder.client_id(&client_id).request_timeout(Duration::from_secs(2)).batch_size(1_000)
    });
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(3) || sent < soak::records() {
        sent = stream.send(sent..sent + 100);
        wait_until("records go on", || stream.heard() + 300 >= sent);
    }
    stream.finish(sent, 0);
    // Of values alone, and a window's worth may go out before the broker counts.
    let lasted = begun.elapsed();
    let bytes_per_second = (sent * 20 / 3) as f64 / lasted.as_secs_f64();
    assert!(bytes_per_second < 3.0 * limit as f64, "{bytes_per_second}: nobody held it back");
    println!("{sent} records in {lasted:.2?} by {limit} bytes per second and broker");
}

/// Brokers close connections that nobody used for a while.
pub fn closed_when_idle<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "idle", |builder| builder.batch_size(300));
    let rounds = if soak::is_on() { 20 } else { 1 };
    let each = SOME.max(soak::records() / rounds);
    let mut sent = 0;
    for _ in 0..rounds {
        sent = stream.send(sent..sent + each);
        wait_until("all are acknowledged", || stream.heard() == sent);
        thread::sleep(IDLE_MAX * 7 / 4);
    }
    sent = stream.send(sent..sent + SOME);
    stream.finish(sent, 0);
}

pub(crate) fn wait_until_in_sync(kafka: &Kafka, topic: &str) {
    let all = kafka.broker_ids().len();
    wait_until(&format!("all replicas of {topic} are in sync"), || {
        kafka.oracle().describe(topic).iter().all(|it| it.in_sync.len() == all && it.leader.is_some())
    });
}

/// At once: a broker that is restarted waits for another.
pub(crate) fn on_all(kafka: &Kafka, what: fn(&Kafka, i32)) {
    thread::scope(|scope| {
        kafka.broker_ids().iter().for_each(|&broker| drop(scope.spawn(move || what(kafka, broker))));
    });
}
