//! Whatever a broker answers, at every stage, in every version, cut anywhere: no panic, one outcome per record, every
//! block back, no busy loop.

use felice_core::record::ProducerRecord;

use super::input::Input;
use super::rig::Rig;
use crate::cluster::TopicConfig;

/// The longest run.
pub(super) const STEPS_MAX: u32 = 400;
/// Lengths that no answer has, and some that one may have.
const LENGTHS: [i32; 8] = [i32::MAX, i32::MIN, -1, 0, 3, 4, 0x0100_0000, 64];
pub(super) const TOPICS: [&str; 3] = ["a", "b", "missing"];

pub(super) fn run(input: &[u8]) {
    let input = &mut Input::new(input);
    let mut rig = Rig::new(input);
    for topic in &TOPICS[..2] {
        let partitions = 1 + input.below(4) as i32;
        let max_message_bytes = input.pick(&[1 << 20, 600, 200]);
        let config = TopicConfig { partitions, max_message_bytes, ..TopicConfig::default() };
        rig.cluster.create_topic_with(topic, config);
    }
    for _ in 0..STEPS_MAX {
        if input.is_over() {
            break;
        }
        step(&mut rig, input);
    }
    rig.finish();
}

pub(super) fn step(rig: &mut Rig, input: &mut Input<'_>) {
    match input.below(14) {
        0 | 1 => send(rig, input),
        2 => rig.connect(true),
        3 => rig.connect(false),
        4 => {
            if let Some(slot) = any_link(rig, input) {
                rig.cut(slot);
            }
        }
        5 => rig.advance(input.micros()),
        6 => drop(rig.advance_to_due()),
        7 => rig.slow = input.one_in(2),
        8 => rig.producer.flush(),
        9 => serve(rig),
        _ => speak(rig, input),
    }
    rig.turn();
}

fn send(rig: &mut Rig, input: &mut Input<'_>) {
    let bytes = [7; 1_200];
    for _ in 0..=input.below(8) {
        let key = input.one_in(2).then(|| &bytes[..1 + input.below(3)]);
        let length = if input.one_in(8) { 1_100 } else { input.below(90) };
        let mut record = ProducerRecord::new(input.pick(&TOPICS), Some(&bytes[..length])).key(key);
        if input.one_in(3) {
            record = record.partition(input.below(6) as i32 - 1);
        }
        // What is refused leaves nothing behind: the rig looks.
        let _ = rig.send(&record);
    }
}

/// A broker that is honest for once: it answers all that it was asked.
pub(super) fn serve(rig: &mut Rig) {
    for slot in rig.links.keys().copied().collect::<Vec<_>>() {
        while rig.request(slot, 0).is_some() {
            if let Some(frame) = rig.answer(slot, 0) {
                rig.receive(slot, &frame, usize::MAX);
            }
        }
    }
}

/// A broker sends something: an answer, nearly one, or anything.
fn speak(rig: &mut Rig, input: &mut Input<'_>) {
    let Some(slot) = any_link(rig, input) else { return };
    let piece = 1 + input.below(64);
    let bytes = match input.below(7) {
        0 => rig.answer(slot, 0).unwrap_or_default(),
        1 | 2 => mutated(rig.answer(slot, 0).unwrap_or_default(), input),
        3 => framed(rig, slot, input),
        4 => input.take(1).iter().chain(input.take(40)).copied().collect(),
        // Another one's turn.
        5 => rig.answer(slot, 1).unwrap_or_default(),
        _ => {
            let mut frame = input.pick(&LENGTHS).to_be_bytes().to_vec();
            frame.extend(rig.request(slot, 0).and_then(|request| request.get(4..8)).unwrap_or_default());
            frame.extend(input.take(12));
            frame
        }
    };
    rig.receive(slot, &bytes, piece);
}

/// Some bytes are others; the end is missing, or there is more.
pub(super) fn mutated(mut frame: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    if frame.len() < 9 {
        return frame;
    }
    // Length and correlation id stay right: other steps get those wrong.
    for _ in 0..=input.below(4) {
        let at = 8 + input.below(frame.len() - 8);
        frame[at] = input.byte();
    }
    match input.below(4) {
        0 => frame.truncate(8 + input.below(frame.len() - 8)),
        1 => frame.extend(input.take(16)),
        _ => return frame,
    }
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// The input's bytes as the answer that is waited for.
fn framed(rig: &Rig, slot: u16, input: &mut Input<'_>) -> Vec<u8> {
    let correlation_id = rig.request(slot, 0).and_then(|request| request.get(4..8)).unwrap_or(&[0; 4]);
    let length = input.below(200);
    let body = input.take(length);
    let mut frame = (body.len() as u32 + 4).to_be_bytes().to_vec();
    frame.extend(correlation_id);
    frame.extend(body);
    frame
}

pub(super) fn any_link(rig: &Rig, input: &mut Input<'_>) -> Option<u16> {
    let slots: Vec<u16> = rig.links.keys().copied().collect();
    (!slots.is_empty()).then(|| input.pick(&slots))
}
