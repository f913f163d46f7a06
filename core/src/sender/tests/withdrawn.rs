//! What is withdrawn comes back in its order, as soon as it certainly is not stored; nothing of it is sent any more.

use super::answers;
use super::rig::{Rig, TOPIC};
use crate::config::SenderConfig;
use crate::error::{ErrorKind, Failure, Persisted};
use crate::id::TopicPartition;

const KEY: TopicPartition = TopicPartition { topic: TOPIC, partition: 0 };
const AUTHORIZATION: i16 = 29;
const OUT_OF_ORDER: i16 = 45;

/// A partition with a batch stored, so that several may be in flight.
fn confirmed() -> Rig {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    assert_eq!(rig.outcomes(), [(0, Ok(0))]);
    rig
}

fn is_back(failure: Failure) -> bool {
    (failure.kind, failure.persisted) == (ErrorKind::Spooled, Persisted::No)
}

/// One is refused, and two behind it are in flight: they are answered with 45, and come back.
#[test]
fn what_is_not_stored_behind_one_that_is_refused_comes_back() {
    let mut rig = confirmed();
    let requests = [(); 3].map(|()| {
        assert!(rig.offer(0, 1));
        rig.produced(0).0
    });
    rig.answer(0, &requests[0], &answers::produce(&[(0, AUTHORIZATION, -1)]));
    let refused = rig.outcomes();
    assert!(matches!(refused[..], [(_, Err(failure))] if failure.persisted == Persisted::No), "{refused:?}");
    rig.sender.withdraw(rig.now, KEY);
    rig.turn();
    assert_eq!(rig.outcomes(), [], "nobody knows yet");
    for request in &requests[1..] {
        rig.answer(0, request, &answers::produce(&[(0, OUT_OF_ORDER, -1)]));
    }
    let back = rig.outcomes();
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|(_, result)| result.is_err_and(is_back)), "{back:?}");
    assert_eq!(rig.next_request(0), None);
    // What is handed over then is sent as ever.
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    assert!(matches!(rig.outcomes()[..], [(_, Ok(1))]));
}

/// What may be stored is asked about first.
#[test]
fn what_may_be_stored_has_its_own_outcome() {
    let mut rig = confirmed();
    let requests = [(); 2].map(|()| {
        assert!(rig.offer(0, 1));
        rig.produced(0).0
    });
    rig.answer(0, &requests[0], &answers::produce(&[(0, AUTHORIZATION, -1)]));
    rig.outcomes();
    rig.sender.withdraw(rig.now, KEY);
    rig.answer(0, &requests[1], &answers::produce(&[(0, 0, 1)]));
    assert!(matches!(rig.outcomes()[..], [(_, Ok(1))]));
}
