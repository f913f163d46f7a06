//! What a device may leave out is refused, or fails, as it is written down. Each test is there without its feature only.

#[cfg(not(feature = "split"))]
#[test]
fn a_batch_that_is_too_large_fails() {
    use super::answers;
    use super::faults::{offer_records, with_in_flight};
    use crate::error::{ErrorCode, ErrorKind};

    let (mut rig, _) = with_in_flight(0);
    offer_records(&mut rig, 150);
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 10, -1)]));
    assert_eq!(rig.completed.last().unwrap().count, 150);
    let failure = rig.outcomes().last().unwrap().1.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(rig.offer(0, 2), "what follows is sent");
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 5)]));
    assert_eq!(rig.outcomes().last().unwrap().1, Ok(5));
    let (given, back) = rig.blocks_given();
    assert_eq!(given, back);
}

#[cfg(not(feature = "resume"))]
#[test]
fn nobody_is_asked_what_it_remembers() {
    use super::rig::{Rig, TOPIC};
    use crate::config::SenderConfig;
    use crate::id::TopicPartition;

    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    let partition = TopicPartition { topic: TOPIC, partition: 0 };
    assert!(!rig.sender.ask_producer(rig.now, partition, 5));
}
