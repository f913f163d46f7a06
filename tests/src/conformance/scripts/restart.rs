//! What a broker still knows after a restart.

use super::sequences::numbered;
use crate::conformance::session::METADATA;
use crate::conformance::{Script, Session};
use crate::protocol::metadata::MetadataRequest;

pub(super) const SCRIPTS: &[Script] = &[Script { name: "after-restart", run: after_restart }];

fn after_restart(session: &mut Session<'_>) {
    let topic = session.topic(2);
    let (id, epoch) = session.producer("a producer");
    let batches: Vec<Vec<u8>> = (0..5).map(|n| numbered((id, epoch), n * 2, 2)).collect();
    for (n, batch) in batches.iter().enumerate() {
        session.produce(&format!("batch {n}"), &topic, batch);
    }
    session.produce("before the restart the first is remembered", &topic, &batches[0]);
    session.produce_to("another partition, a new epoch", &topic, 1, &numbered((id, epoch + 1), 0, 1));

    session.restart(&topic, 2);
    let request =
        MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::of_topics([&*topic.name]) };
    session.exchange("the topic", METADATA, &request);
    // Of five batches, only the last is remembered.
    session.produce("the last", &topic, &batches[4]);
    session.produce("the last but one", &topic, &batches[3]);
    session.produce("the first", &topic, &batches[0]);
    session.produce("a gap", &topic, &numbered((id, epoch), 11, 1));
    session.produce("the next", &topic, &numbered((id, epoch), 10, 1));
    session.produce("and now both are remembered: the last", &topic, &numbered((id, epoch), 10, 1));
    session.produce("and the one before", &topic, &batches[4]);
    session.produce_to("the old epoch", &topic, 1, &numbered((id, epoch), 1, 1));
    session.produce_to("the new epoch", &topic, 1, &numbered((id, epoch + 1), 1, 1));
    session.producer("a new producer has another id");
}
