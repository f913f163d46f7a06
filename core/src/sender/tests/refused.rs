//! A batch that its broker never takes, in the middle of a queue: what becomes of those before and behind it, in flight
//! and still to be sent. The broker is a log that checks numbers as Kafka's does; every place and moment is tried.

use super::answers;
use super::faults::reconnect;
use super::rig::{Rig, Sent, numbering};
use crate::config::SenderConfig;
use crate::error::{ErrorCode, ErrorKind, Persisted};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

/// Batches of a record each. The first is sent alone, five of the others may be in flight.
const BATCHES: u8 = 9;

/// What a broker may say for good: of the whole batch, of a batch of one record, of a client without rights, and of
/// bytes that were damaged again and again.
const REFUSALS: [ErrorCode; 4] = [
    ErrorCode::INVALID_RECORD,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::CORRUPT_MESSAGE,
];

/// One way in which it may go.
#[derive(Clone, Copy, Debug)]
struct Case {
    code: ErrorCode,
    /// Which one is refused, from 1 on.
    refused: u8,
    /// The broker looks at numbers before it looks at records.
    numbers_first: bool,
    /// The connection breaks after so many answers; what is under way then is stored or not.
    cut: Option<(usize, bool)>,
    idempotence: bool,
}

/// A partition on its broker.
#[derive(Default)]
struct Log {
    /// Batches by their numbers: epoch and sequence.
    offsets: BTreeMap<(i16, i32), i64>,
    stored: Vec<u8>,
}

impl Log {
    fn append(&mut self, case: &Case, batch: &[u8]) -> (ErrorCode, i64) {
        let (number, numbers) = (batch[61], numbering(batch));
        let refusal = (number == case.refused).then_some((case.code, -1));
        if case.idempotence {
            if let Some(offset) = self.offsets.get(&numbers) {
                return (ErrorCode::NONE, *offset);
            }
            if let Some(refusal) = refusal.filter(|_| !case.numbers_first) {
                return refusal;
            }
            let (epoch, sequence) = self.offsets.last_key_value().map_or((0, -1), |(last, _)| *last);
            if numbers.0 < epoch {
                return (ErrorCode::INVALID_PRODUCER_EPOCH, -1);
            }
            if numbers.1 != if numbers.0 > epoch { 0 } else { sequence + 1 } {
                return (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
            }
        }
        if let Some(refusal) = refusal {
            return refusal;
        }
        let offset = self.stored.len() as i64;
        self.stored.push(number);
        if case.idempotence {
            self.offsets.insert(numbers, offset);
        }
        (ErrorCode::NONE, offset)
    }

    fn answer(&mut self, case: &Case, sent: &[Sent]) -> Vec<u8> {
        let answer = |(partition, batch): &Sent| {
            let (code, offset) = self.append(case, batch);
            (*partition, code.0, offset)
        };
        answers::produce(&sent.iter().map(answer).collect::<Vec<_>>())
    }
}

/// Sends all; how many batches were in flight at once, and how many answers there were.
fn run(case: &Case) -> (usize, usize) {
    let config = SenderConfig { idempotence: case.idempotence, ..SenderConfig::default() };
    let (mut rig, mut log) = (Rig::started(config, 1), Log::default());
    let (mut offered, mut most, mut answered) = (0, 0, 0);
    let mut cut = case.cut;
    let mut in_flight = VecDeque::new();
    for _ in 0..200 {
        while offered < BATCHES && rig.offer(0, 1) {
            offered += 1;
        }
        while rig.next_is(0, 0) {
            in_flight.push_back(rig.produced(0));
        }
        most = most.max(in_flight.len());
        if let Some((_, stored)) = cut.filter(|(after, _)| *after == answered && !in_flight.is_empty()) {
            for (_, sent) in in_flight.drain(..).filter(|_| stored) {
                log.answer(case, &sent);
            }
            rig.break_connection(0);
            reconnect(&mut rig);
            cut = None;
        } else if let Some((request, sent)) = in_flight.pop_front() {
            rig.answer(0, &request, &log.answer(case, &sent));
            answered += 1;
        } else if let Some(request) = rig.next_request(0) {
            assert_eq!(request.api, 3, "nothing else is asked");
            rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
        } else if offered == BATCHES && rig.completed.len() == usize::from(BATCHES) {
            break;
        } else {
            rig.advance(Duration::from_secs(1));
        }
    }
    judge(case, &mut rig, &log);
    (most, answered)
}

/// Each has one outcome, which is true; those that are stored are in order, once.
fn judge(case: &Case, rig: &mut Rig, log: &Log) {
    assert!(log.stored.is_sorted_by(|before, behind| before < behind), "{case:?}: {:?}", log.stored);
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), usize::from(BATCHES), "{case:?}: {outcomes:?}");
    for (slot, result) in outcomes {
        let number = slot as u8 + 1;
        let place = log.stored.iter().position(|stored| *stored == number);
        match result {
            Ok(-1) => assert!(place.is_some() && case.cut.is_some(), "{case:?}: {number}"),
            Ok(offset) => assert_eq!(place, Some(offset as usize), "{case:?}: {number}"),
            Err(failure) => {
                let certain = failure.persisted == Persisted::No;
                assert!(
                    place.is_none() || !certain,
                    "{case:?}: {number} is stored, and failed as {failure:?}"
                );
                // Who has heard all answers knows, and loses nothing but what was refused.
                assert!(certain || case.cut.is_some(), "{case:?}: {number}: {failure:?}");
                if number == case.refused {
                    assert_eq!(failure.kind, ErrorKind::Broker(case.code), "{case:?}");
                } else {
                    assert!(case.cut.is_some(), "{case:?}: {number} failed with it: {failure:?}");
                }
            }
        }
    }
    let (given, back) = rig.blocks_given();
    assert_eq!(given, back, "{case:?}: every block came back");
}

fn each_place(cut: Option<(usize, bool)>, mut check: impl FnMut(&Case, (usize, usize))) {
    for code in REFUSALS {
        for refused in 1..=BATCHES {
            for numbers_first in [false, true] {
                let case = Case { code, refused, numbers_first, cut, idempotence: true };
                check(&case, run(&case));
            }
        }
    }
}

#[test]
fn a_refused_batch_takes_nobody_with_it() {
    each_place(None, |case, (most, _)| {
        assert!(most == 5 || case.refused == 1, "{case:?}: {most} in flight");
    });
}

#[test]
fn without_numbers_it_takes_nobody_with_it_either() {
    for code in REFUSALS {
        for refused in 1..=BATCHES {
            run(&Case { code, refused, numbers_first: false, cut: None, idempotence: false });
        }
    }
}

/// What is under way when the connection breaks may be stored or not. What is said of it is true.
#[test]
fn a_connection_that_breaks_around_it_makes_no_outcome_untrue() {
    for stored in [false, true] {
        for after in 0.. {
            let mut longest = 0;
            each_place(Some((after, stored)), |_, (_, answered)| longest = longest.max(answered));
            if longest <= after {
                break;
            }
        }
    }
}
