//! Each built-in against the bytes that Java's serializer of the same type writes.

use std::vec::Vec;

use super::{Scratch, Serialize, SerializeError};
use crate::record::ProducerRecord;

/// What becomes of `value` when it is a record's value, in a scratch of 64 bytes.
fn bytes<T: Serialize>(value: T) -> Option<Vec<u8>> {
    let (mut key_scratch, mut value_scratch) =
        (heapless::Vec::<u8, 1>::new(), heapless::Vec::<u8, 64>::new());
    let record = ProducerRecord::new("t", value);
    record.serialize(&mut key_scratch, &mut value_scratch).unwrap().value.map(<[u8]>::to_vec)
}

fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn text_and_bytes_are_themselves() {
    assert_eq!(bytes("Grüße"), some("Grüße".as_bytes()));
    assert_eq!(bytes(""), some(b""));
    assert_eq!(bytes([1_u8, 2]), some(&[1, 2]));
    assert_eq!(bytes(&[1_u8, 2][..]), some(&[1, 2]));
    assert_eq!(bytes(b"raw"), some(b"raw"));
    assert_eq!(bytes(heapless::String::<8>::try_from("text").unwrap()), some(b"text"));
    assert_eq!(bytes(heapless::Vec::<u8, 8>::from_slice(b"raw").unwrap()), some(b"raw"));
    assert_eq!(bytes(format_args!("{:.1}", 21.54)), some(b"21.5"));
}

#[test]
fn numbers_are_big_endian() {
    assert_eq!(bytes(258_i16), some(&[1, 2]));
    assert_eq!(bytes(-2_i32), some(&[0xff, 0xff, 0xff, 0xfe]));
    assert_eq!(bytes(0x0102_0304_0506_0708_i64), some(&[1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(bytes(1.0_f32), some(&[0x3f, 0x80, 0, 0]));
    assert_eq!(bytes(21.5_f64), some(&[0x40, 0x35, 0x80, 0, 0, 0, 0, 0]));
    assert_eq!(bytes(u64::MAX), some(&[0xff; 8]));
    assert_eq!((bytes(true), bytes(false)), (some(&[1]), some(&[0])));
}

#[test]
fn none_and_unit_are_null() {
    assert_eq!(bytes(()), None);
    assert_eq!(bytes(None::<&str>), None);
    assert_eq!(bytes(Some("x")), some(b"x"));
    assert_eq!(bytes(Some(1_i32)), some(&[0, 0, 0, 1]));
    assert_eq!(bytes(Some(None::<i32>)), None);
}

#[test]
fn a_scratch_of_fixed_size_refuses_what_does_not_fit() {
    let mut scratch = heapless::Vec::<u8, 7>::new();
    assert_eq!(7_i64.serialize(&mut scratch), Err(SerializeError::SCRATCH_FULL));
    Scratch::clear(&mut scratch);
    assert_eq!(7_i32.serialize(&mut scratch), Ok(Some(&[0, 0, 0, 7][..])));
}

#[cfg(feature = "alloc")]
#[test]
fn owned_types_are_what_they_hold() {
    use std::borrow::Cow;
    use std::boxed::Box;
    use std::string::String;

    assert_eq!(bytes(String::from("text")), some(b"text"));
    assert_eq!(bytes(std::vec![1_u8, 2]), some(&[1, 2]));
    assert_eq!(bytes(Box::<str>::from("text")), some(b"text"));
    assert_eq!(bytes(Cow::Borrowed("text")), some(b"text"));
    assert_eq!(bytes(Cow::<[u8]>::Owned(std::vec![3])), some(&[3]));
}

#[cfg(feature = "alloc")]
#[test]
fn a_vector_as_scratch_grows_once() {
    let mut scratch = Vec::new();
    for _ in 0..3 {
        Scratch::clear(&mut scratch);
        assert_eq!(7_i64.serialize(&mut scratch), Ok(Some(&[0, 0, 0, 0, 0, 0, 0, 7][..])));
    }
    assert_eq!(scratch.capacity(), 8);
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_is_its_text() {
    let id = uuid::Uuid::from_u128(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF);
    assert_eq!(bytes(id), some(b"01234567-89ab-cdef-0123-456789abcdef"));
}

#[cfg(feature = "json")]
#[test]
fn json_refuses_what_json_cannot_say() {
    use std::collections::BTreeMap;

    use super::Json;

    assert_eq!(bytes(Json([1, 2])), some(b"[1,2]"));
    let not_text_as_key = ProducerRecord::new("t", Json(BTreeMap::from([((1, 2), 3)])));
    let (mut key, mut value) = (Vec::new(), Vec::new());
    assert!(not_text_as_key.serialize(&mut key, &mut value).is_err());
    let larger = ProducerRecord::new("t", Json("longer than eight bytes"));
    let mut small = heapless::Vec::<u8, 8>::new();
    assert_eq!(larger.serialize(&mut key, &mut small).map(|_| ()), Err(SerializeError::SCRATCH_FULL));
}
