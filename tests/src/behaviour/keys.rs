//! Where records land: with a key where Java's producer puts them, without one somewhere, spread.

use std::collections::BTreeSet;

use felice_core::record::ProducerRecord;

use super::{FrontEnd, Handle, Target, producer};

/// More than one round of murmur2's switch over the last bytes, and not a power of two.
const PARTITIONS: i32 = 7;

/// Keyed records land where Java's producer put records with these keys, in the same topic; the empty key, too.
pub fn keys_land_where_java_puts_them<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-keys", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let keys = keys();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let java = target.java().partitions_for_keys(&topic, &keys);

    // Some are sent before the topic is known: those keep their place as well.
    let producer: F = producer(target);
    let send = |key: &&[u8]| producer.send(&ProducerRecord::new(&topic, "felice").key(*key));
    let handles: Vec<F::Handle> = keys.iter().map(|key| send(key).expect("there is room")).collect();
    let ours: Vec<i32> =
        handles.into_iter().map(|handle| handle.get().expect("it is stored").partition()).collect();
    assert_eq!(ours, java);
    let known: Vec<i32> = keys
        .iter()
        .map(|key| send(key).expect("there is room").get().expect("it is stored").partition())
        .collect();
    assert_eq!(known, java);

    for record in target.read(&topic) {
        let key = record.key.as_deref().expect("all have keys");
        let place = keys.iter().position(|it| *it == key).expect("it is one of ours");
        assert_eq!(record.partition, java[place], "as it is stored: {key:?}");
    }
}

/// Records with a null key are no keyed records: they go to all partitions, in time.
pub fn null_keys_are_spread<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-null-keys", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let producer: F = super::builder(target).batch_size(1_000).build().expect("the settings fit");
    let mut used = BTreeSet::new();
    super::wait_until("every partition is used", || {
        let record = ProducerRecord::new(&topic, [0_u8; 500]).key(None::<&[u8]>);
        let handles: Vec<F::Handle> =
            (0..50).map(|_| producer.send(&record).expect("there is room")).collect();
        used.extend(handles.into_iter().map(|handle| handle.get().expect("it is stored").partition()));
        used.len() == PARTITIONS as usize
    });
    assert!(target.read(&topic).iter().all(|record| record.key.is_none()));
}

/// Keys of 0 to 40 bytes, with all values of bytes.
fn keys() -> Vec<Vec<u8>> {
    let patterns = (0..400_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes().repeat(11));
    let cut = patterns.enumerate().map(|(n, bytes)| bytes[..1 + n % 40].to_vec());
    std::iter::once(Vec::new()).chain(cut).collect()
}
