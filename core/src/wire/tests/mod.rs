//! The golden file has frames that Kafka's own classes wrote (`tests/java/WireGolden.java`): kind, API, version, hex.

extern crate std;

mod answers;
mod hostile;
mod requests;
#[cfg(feature = "transactions")]
mod transactions;

use std::borrow::ToOwned;
use std::string::String;
use std::vec::Vec;

use super::{ApiKey, Decoder, Field, Item, Progress, Value};
use crate::error::ProtocolError;

const GOLDEN: &str = include_str!("../../../../tests/golden/wire_java431.tsv");
const PRIMITIVES: &str = include_str!("../../../../tests/golden/varint_crc_java431.tsv");

/// Behind a frame's length and correlation id.
const BODY: usize = 8;

/// The golden frame of a request or a response.
fn golden(kind: &str, api: &str, version: i16) -> Vec<u8> {
    let prefix = std::format!("{kind}\t{api}\t{version}\t");
    let line = GOLDEN.lines().find_map(|line| line.strip_prefix(&*prefix)).expect("no such golden frame");
    unhex(line)
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// What was told, kept.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Item(Item<'static>),
    Text(Field, String),
    /// All pieces that came one after the other.
    Bytes(Field, Vec<u8>),
}

fn keep(item: Item<'_>) -> Told {
    Told::Item(match item {
        Item::Value(id, Value::Text(Some(text))) => return Told::Text(id, text.to_owned()),
        Item::Value(id, Value::Bytes(bytes)) => return Told::Bytes(id, bytes.to_owned()),
        Item::Value(id, Value::Text(None)) => Item::Value(id, Value::Text(None)),
        Item::Value(id, Value::I16(value)) => Item::Value(id, Value::I16(value)),
        Item::Value(id, Value::I32(value)) => Item::Value(id, Value::I32(value)),
        Item::Value(id, Value::I64(value)) => Item::Value(id, Value::I64(value)),
        Item::Value(id, Value::Uuid(value)) => Item::Value(id, Value::Uuid(value)),
        Item::Start(id, elements) => Item::Start(id, elements),
        Item::Next(id) => Item::Next(id),
        Item::EndOfElement(id) => Item::EndOfElement(id),
        Item::End(id) => Item::End(id),
    })
}

/// Adds what was told. Where bytes were cut does not matter.
fn add(told: &mut Vec<Told>, item: Item<'_>) {
    match (told.last_mut(), keep(item)) {
        (Some(Told::Bytes(_, all)), Told::Bytes(_, more)) => all.extend(more),
        (_, item) => told.push(item),
    }
}

type Outcome = (Result<Progress, ProtocolError>, Vec<Told>);

/// Decodes an answer of `length` bytes of which `pieces` come, one after the other.
fn decode<'p>(api: ApiKey, version: i16, length: usize, pieces: impl Iterator<Item = &'p [u8]>) -> Outcome {
    let mut decoder = Decoder::new(api, version, length as u32);
    let mut told = Vec::new();
    let mut result = Ok(Progress::More);
    for mut piece in pieces {
        result = decoder.push(&mut piece, |item| {
            add(&mut told, item);
            Ok(())
        });
        match result {
            Ok(Progress::More) => assert!(piece.is_empty(), "asks for more, and has some"),
            Ok(Progress::Done) => assert!(piece.is_empty(), "belongs to the answer, and was not taken"),
            Err(_) => return (result, told),
        }
    }
    (result, told)
}

/// Decodes an answer that comes in one piece.
fn decode_whole(api: ApiKey, version: i16, body: &[u8]) -> Outcome {
    decode(api, version, body.len(), core::iter::once(body))
}

/// Two runs of the generator give the same numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }
}
