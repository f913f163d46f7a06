//! Whose confirmation a record waits for: nobody's, the leader's, everybody's.

use std::collections::BTreeSet;

use felice_core::record::ProducerRecord;
use felice_host::surface::Acks;

use super::{FrontEnd, Handle, PATIENCE, Target, builder, wait_until};

/// Enough for several batches.
const RECORDS: u32 = 500;

/// With every setting each record has its outcome and is stored once. Only without acks is its offset unknown.
pub fn each_setting_stores_every_record<F: FrontEnd>(target: &Target) {
    for (acks, name) in [(Acks::None, "none"), (Acks::Leader, "leader"), (Acks::All, "all")] {
        let topic = format!("{}-acks-{name}", F::NAME);
        target.create_topic(&topic, 2);
        make_sure_of::<F>(target, &topic);
        let producer: F = builder(target).acks(acks).build().expect("the settings fit");
        let handles: Vec<F::Handle> = (0..RECORDS)
            .map(|number| producer.send(&ProducerRecord::new(&topic, number)).expect("there is room"))
            .collect();
        producer.flush().expect("this is no callback");
        let mut places = BTreeSet::new();
        for handle in handles {
            let metadata = handle.get().expect("it is stored");
            assert_eq!(metadata.has_offset(), acks != Acks::None, "{name}");
            places.insert((metadata.partition(), metadata.offset()));
        }
        assert!(
            acks == Acks::None || places.len() == RECORDS as usize,
            "{name}: each has a place of its own"
        );
        producer.close(PATIENCE).expect("nothing is left");
        // Without acks a record is done before the broker has it.
        wait_until("all are stored", || target.read(&topic).len() >= 2 + RECORDS as usize);
        let values: BTreeSet<Option<Vec<u8>>> =
            target.read(&topic).into_iter().map(|read| read.value).collect();
        assert_eq!(values.len(), 2 + RECORDS as usize, "{name}");
    }
}

/// Stores a record in each of the topic's two partitions. A real leader of a new partition is known before it is ready:
/// without acks it drops what comes meanwhile, closes the connection, and nobody is told.
fn make_sure_of<F: FrontEnd>(target: &Target, topic: &str) {
    let producer: F = builder(target).build().expect("the settings fit");
    for partition in 0..2 {
        let record = ProducerRecord::new(topic, RECORDS + partition as u32).partition(partition);
        producer.send(&record).expect("there is room").get().expect("it is stored");
    }
    producer.close(PATIENCE).expect("nothing is left");
}
