//! Metadata: which topics are asked for, and how.

use crate::conformance::session::{METADATA, batch};
use crate::conformance::{Script, Session, Topic};
use crate::protocol::metadata::{MetadataRequest, MetadataRequestTopic};

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "metadata-topics", run: metadata },
    Script { name: "auto-creation", run: auto_creation },
];

/// A request that creates nothing.
fn of_topics<'a>(names: &[&'a str]) -> MetadataRequest<'a> {
    MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::of_topics(names.iter().copied()) }
}

fn metadata(session: &mut Session<'_>) {
    let (first, second) = (session.topic(2), session.topic(1));
    session.exchange("no topic", METADATA, &of_topics(&[]));
    session.exchange("two", METADATA, &of_topics(&[&second.name, &first.name]));
    session.exchange("one twice", METADATA, &of_topics(&[&first.name, &first.name]));
    session.exchange("one that is not there", METADATA, &of_topics(&[&first.name, "nowhere"]));
    let long = "x".repeat(250);
    for name in ["", ".", "..", "not/allowed", "naïve", &*long] {
        session.exchange(&format!("the name {name:?}"), METADATA, &of_topics(&[name]));
    }
    for name in ["", "not/allowed"] {
        // With leave to create it, the name is looked at first.
        session.exchange(&format!("creating {name:?}"), METADATA, &MetadataRequest::of_topics([name]));
    }
    let both = MetadataRequestTopic { topic_id: first.id, name: Some(&first.name) };
    let neither = MetadataRequestTopic { topic_id: [0; 16], name: None };
    for (label, topic) in [("name and id", both), ("neither name nor id", neither)] {
        let request = MetadataRequest { topics: Some(vec![topic.clone()]), ..of_topics(&[]) };
        session.exchange(label, METADATA, &request);
    }
    let by_id = |version: i16| (version, MetadataRequestTopic { topic_id: first.id, name: None });
    for (version, topic) in [by_id(10), by_id(11)] {
        let request = MetadataRequest { topics: Some(vec![topic]), ..of_topics(&[]) };
        session.exchange(&format!("by id, v{version}"), version, &request);
    }
}

/// The broker creates topics.
fn auto_creation(session: &mut Session<'_>) {
    let batch = batch().build();
    let topic = Topic { name: "auto-creation-new".to_owned(), id: [0; 16] };
    session.exchange("without leave", METADATA, &of_topics(&[&topic.name]));
    session.produce("a Produce request creates nothing", &topic, &batch);
    session.exchange("with leave", METADATA, &MetadataRequest::of_topics([&*topic.name]));
    session.wait_for_topic(&topic.name, 1);
    session.exchange("it is there", METADATA, &of_topics(&[&topic.name]));
    session.produce("and takes a batch", &topic, &batch);
}
