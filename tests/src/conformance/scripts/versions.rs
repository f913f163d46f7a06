//! Which versions there are, what each of them looks like, and what comes of others.

use crate::conformance::session::{METADATA, batch, of_batches};
use crate::conformance::{Script, Session};
use crate::protocol::api_versions::ApiVersionsRequest;
use crate::protocol::init_producer_id::InitProducerIdRequest;
use crate::protocol::metadata::{MetadataRequest, MetadataRequestTopic};

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "api-versions", run: api_versions },
    Script { name: "produce-versions", run: produce_versions },
    Script { name: "metadata-versions", run: metadata_versions },
    Script { name: "init-producer-id-versions", run: init_producer_id_versions },
];

const CLIENT: ApiVersionsRequest<'_> =
    ApiVersionsRequest { client_software_name: "felice-tests", client_software_version: "1" };

fn api_versions(session: &mut Session<'_>) {
    for version in 0..=4 {
        session.exchange(&format!("v{version}"), version, &CLIENT);
    }
    // Too new: error 35 in the layout of version 0, with the one entry that says which versions would do.
    for version in [5, 99] {
        session.exchange_as(&format!("v{version}"), version, &CLIENT, 0);
    }
    session.exchange("v3 after it, on the same connection", 3, &CLIENT);
    for name in ["", "-x", "no blanks"] {
        let request = ApiVersionsRequest { client_software_name: name, ..CLIENT };
        session.exchange(&format!("the name {name:?}"), 3, &request);
    }
}

fn produce_versions(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let batch = batch().build();
    for version in 3..=13 {
        session.exchange(&format!("v{version}"), version, &of_batches(&topic, -1, &[(0, Some(&batch))]));
    }
    for version in [2, 14] {
        session.exchange(&format!("v{version}"), version, &of_batches(&topic, -1, &[(0, Some(&batch))]));
    }
    for version in 3..=13 {
        let request = of_batches(&topic, -1, &[(7, Some(&batch))]);
        session.exchange(&format!("v{version} with an error"), version, &request);
    }
}

fn metadata_versions(session: &mut Session<'_>) {
    let topic = session.topic(3);
    for version in 7..=13 {
        let known = MetadataRequest {
            allow_auto_topic_creation: false,
            ..MetadataRequest::of_topics([&*topic.name])
        };
        session.exchange(&format!("v{version}"), version, &known);
        let unknown =
            MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::of_topics(["nowhere"]) };
        session.exchange(&format!("v{version} with an error"), version, &unknown);
    }
    session.exchange("v14", 14, &MetadataRequest::of_topics([&*topic.name]));

    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id, name: None }]),
        ..MetadataRequest::all()
    };
    session.exchange("by id", METADATA, &by_id(topic.id));
    session.exchange("by an unknown id", METADATA, &by_id([7; 16]));
    session.exchange("by the zero id", METADATA, &by_id([0; 16]));
}

fn init_producer_id_versions(session: &mut Session<'_>) {
    for version in 0..=5 {
        session.init_producer_id(&format!("v{version}"), version, &InitProducerIdRequest::default());
    }
    let (producer_id, producer_epoch) = session.producer("for the steps that follow");
    let numbered = |producer_id, producer_epoch| InitProducerIdRequest {
        producer_id,
        producer_epoch,
        ..InitProducerIdRequest::default()
    };
    session.init_producer_id("with one's own id", 4, &numbered(producer_id, producer_epoch));
    session.init_producer_id("with an unknown id", 4, &numbered(999_999, 3));
    session.init_producer_id("with an id and no epoch", 4, &numbered(producer_id, -1));
    session.init_producer_id("with an epoch and no id", 4, &numbered(-1, 3));
    let timeout = InitProducerIdRequest { transaction_timeout_ms: 0, ..InitProducerIdRequest::default() };
    session.init_producer_id("with a timeout of 0", 4, &timeout);
    session.exchange("v7", 7, &InitProducerIdRequest::default());
}
