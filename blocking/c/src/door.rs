//! The functions of `felice.h`. All of felice's own `unsafe` is here, and it is about pointers only: what a caller
//! promises of them is said in the header's first comment, and each block says which part of it it needs. What
//! can be checked is: NULL, UTF-8, ranges, lengths.
//!
//! No function panics to its caller: `guarded` makes an error of it. Nothing here may decide what a producer does.
#![allow(unsafe_code, reason = "pointers that come from C")]
#![allow(
    clippy::missing_safety_doc,
    reason = "it is the same for all of them, and said once, in the header's first comment"
)]

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;
use std::{ptr, slice};

use felice_blocking::{Builder, GetError, ProduceError, ProducerRecord, RecordMetadata, Timestamp};

use crate::error::{Error, Outcome, Refusal, last, last_words};

/// Sends records to Kafka. Any threads may use one at the same time.
pub struct Producer(felice_blocking::Producer);

/// The handle of an accepted record, for one thread at a time.
pub struct Delivery(felice_blocking::Delivery);

/// A header of a record.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// The name, a text of UTF-8 with a 0 at its end.
    pub name: *const c_char,
    /// The value; NULL is null, which is not the same as empty.
    pub value: *const c_void,
    /// The value's length in bytes.
    pub value_size: usize,
}

/// A record to be sent. Begin with `felice_record_new`: a structure of zeros would be for partition 0 in 1970.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Record {
    /// The topic's name, a text with a 0 at its end.
    pub topic: *const c_char,
    /// The partition; -1 leaves it to the key's hash, or to the producer.
    pub partition: i32,
    /// The key; NULL is null, which is not the same as empty.
    pub key: *const c_void,
    /// The key's length in bytes.
    pub key_size: usize,
    /// The value; NULL is null, which is not the same as empty.
    pub value: *const c_void,
    /// The value's length in bytes.
    pub value_size: usize,
    /// The headers; NULL where there are none.
    pub headers: *const Header,
    /// How many headers there are.
    pub header_count: usize,
    /// The record's time in milliseconds since 1970; -1 takes the time at which it is sent.
    pub timestamp: i64,
}

/// Hears of each accepted record that was sent with a token: once, in order per partition, on a thread of the producer's
/// that does nothing else. It may send; what would wait in it is refused. `outcome` ends with the call; where the record
/// failed, `felice_last_error_message` has it in words. No exception may leave it.
pub type Callback = Option<unsafe extern "C" fn(context: *mut c_void, token: u64, outcome: *const Outcome)>;

/// felice's version, for example "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn felice_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version has no 0 in it"),
        };
    VERSION.as_ptr()
}

/// The last error of this thread, as its function has returned it. What succeeds leaves it as it is.
#[unsafe(no_mangle)]
pub extern "C" fn felice_last_error() -> Error {
    last()
}

/// The last error of this thread in words, never NULL; they stay until the next error of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn felice_last_error_message() -> *const c_char {
    last_words()
}

/// Makes a producer of settings by Kafka's names, written as a properties file: `name=value`, a line each. `callback`
/// hears of tokens, with `context`; it may be NULL. The producer connects when it has something to send.
///
/// Errors: `CONFIG`, `SYSTEM`, `INVALID_ARGUMENT`; then `producer` is not written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_producer_new(
    properties: *const c_char,
    callback: Callback,
    context: *mut c_void,
    producer: *mut *mut Producer,
) -> Error {
    guarded(|| {
        // SAFETY: a text of the caller's, which is there until this function returns.
        let properties = unsafe { text("properties", properties) }?;
        // SAFETY: the caller's place for one pointer.
        unsafe { give(producer, || build(builder().properties_text(properties)?, callback, context)) }
    })
}

/// The same, with the settings of a file: a producer.properties as Kafka's own tools have it, in UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_producer_from_file(
    path: *const c_char,
    callback: Callback,
    context: *mut c_void,
    producer: *mut *mut Producer,
) -> Error {
    guarded(|| {
        // SAFETY: a text of the caller's, which is there until this function returns.
        let path = Path::new(unsafe { text("path", path) }?);
        // SAFETY: the caller's place for one pointer.
        unsafe { give(producer, || build(builder().properties_file(path)?, callback, context)) }
    })
}

/// A record for a topic, with a value, and without key, partition, headers and timestamp. Nothing is copied.
#[unsafe(no_mangle)]
pub extern "C" fn felice_record_new(topic: *const c_char, value: *const c_void, value_size: usize) -> Record {
    Record {
        topic,
        partition: -1,
        key: ptr::null(),
        key_size: 0,
        value,
        value_size,
        headers: ptr::null(),
        header_count: 0,
        timestamp: -1,
    }
}

/// Accepts a record, and copies it. It waits for memory only, `max.block.ms` at most; in a callback it does not wait.
/// `delivery` gets its handle, which is to be freed; NULL is fire and forget.
///
/// Errors: the record was not taken, and never will be sent; `delivery` is not written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_send(
    producer: *const Producer,
    record: *const Record,
    delivery: *mut *mut Delivery,
) -> Error {
    guarded(|| {
        // SAFETY: NULL, or made by felice and not freed yet.
        let producer = unsafe { reference("producer", producer) }?;
        // SAFETY: the caller's, with all it points to, until this function returns.
        let sent = unsafe { with_record(record, |record| producer.0.send(record)) }?;
        if delivery.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's place for one pointer.
        unsafe { give(delivery, || Ok(Delivery(sent))) }
    })
}

/// As `felice_send`; the producer's callback hears of the outcome, with `token`. There is nothing to free.
///
/// Errors: the record was not taken, and the callback never hears of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_send_with_token(
    producer: *const Producer,
    record: *const Record,
    token: u64,
) -> Error {
    guarded(|| {
        // SAFETY: NULL, or made by felice and not freed yet.
        let producer = unsafe { reference("producer", producer) }?;
        // SAFETY: the caller's, with all it points to, until this function returns.
        unsafe { with_record(record, |record| producer.0.send_with_token(record, token)) }
    })
}

/// Waits for a record's outcome, `timeout_ms` milliseconds at most; -1 is without end, which is `delivery.timeout.ms` but
/// with a spool. It may be asked again, and says the same. `outcome` may be NULL.
///
/// Errors: that of a record that failed, with `outcome` written. `TIMED_OUT`, `IN_CALLBACK`, `FORKED` and
/// `INVALID_ARGUMENT` say that nothing is known of the record; `outcome` is not written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_wait(
    delivery: *mut Delivery,
    timeout_ms: i64,
    outcome: *mut Outcome,
) -> Error {
    guarded(|| {
        // SAFETY: NULL, or made by felice and not freed yet; no other thread has it meanwhile.
        let delivery = unsafe { delivery.as_mut() }.ok_or_else(|| null("delivery"))?;
        let result = delivery.0.get_timeout(timeout(timeout_ms)?);
        let told = match &result {
            Ok(metadata) => Outcome::stored(metadata),
            Err(GetError::Failed(error)) => Outcome::failed(error),
            Err(error) => return Err(error.into()),
        };
        if !outcome.is_null() {
            // SAFETY: the caller's place for an outcome.
            unsafe { outcome.write(told) };
        }
        result.map(drop).map_err(|error| Refusal::from(&error))
    })
}

/// Frees a handle; the record is sent all the same. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_delivery_free(delivery: *mut Delivery) {
    // SAFETY: NULL, or made by felice and not freed yet.
    let _ = guarded(|| unsafe { free(delivery) });
}

/// Sends what is held without waiting for its linger, and waits until every record that was accepted before has its outcome
/// and its callback has run. With a spool: until every record is durable there, or has its outcome.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_flush(producer: *const Producer) -> Error {
    guarded(|| {
        // SAFETY: NULL, or made by felice and not freed yet.
        let producer = unsafe { reference("producer", producer) }?;
        Ok(producer.0.flush()?)
    })
}

/// Closes the producer for all threads. What is held may still be acknowledged, for `timeout_ms` milliseconds, -1 is
/// without end; the rest fails. It returns when every record has its outcome and every callback has run. The producer is
/// still to be freed.
///
/// Errors: `UNDELIVERED` says that records have failed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_producer_close(producer: *const Producer, timeout_ms: i64) -> Error {
    guarded(|| {
        // SAFETY: NULL, or made by felice and not freed yet.
        let producer = unsafe { reference("producer", producer) }?;
        Ok(producer.0.close(timeout(timeout_ms)?)?)
    })
}

/// Frees a producer, which no thread may use any more. One that is not closed sends what it holds, `drop.timeout.ms`
/// at most; in its callback it does not wait. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_producer_free(producer: *mut Producer) {
    // SAFETY: NULL, or made by felice and not freed yet.
    let _ = guarded(|| unsafe { free(producer) });
}

/// Writes what the producer has counted so far, as text for Prometheus with a 0 at its end. `needed` gets how many bytes
/// that takes, also where they do not fit; it may be NULL. `buffer` may be NULL where `size` is 0.
///
/// Errors: `BUFFER_TOO_SMALL`; then the buffer is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn felice_metrics(
    producer: *const Producer,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
) -> Error {
    guarded(|| {
        // SAFETY: NULL, or made by felice and not freed yet.
        let producer = unsafe { reference("producer", producer) }?;
        let text = producer.0.metrics().to_prometheus().to_string();
        if !needed.is_null() {
            // SAFETY: the caller's place for a number.
            unsafe { needed.write(text.len() + 1) };
        }
        if size <= text.len() {
            let words = format!("the buffer has {size} bytes, and {} are needed", text.len() + 1);
            return Err(Refusal::new(Error::BufferTooSmall, words));
        }
        if buffer.is_null() {
            return Err(null("buffer"));
        }
        // SAFETY: the caller's buffer has `size` bytes, which are more than the text has. They are not in the text, which was
        // made just now.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
            buffer.add(text.len()).write(0);
        }
        Ok(())
    })
}

/// Does a function's work, and keeps what is wrong as the thread's last error, a panic as well.
fn guarded(work: impl FnOnce() -> Result<(), Refusal>) -> Error {
    let done = catch_unwind(AssertUnwindSafe(work));
    let done = done
        .unwrap_or_else(|_| Err(Refusal::new(Error::Internal, "felice has panicked: that is its own fault")));
    done.map_or_else(Refusal::keep, |()| Error::Ok)
}

fn builder() -> Builder {
    felice_blocking::Producer::builder()
}

fn build(builder: Builder, callback: Callback, context: *mut c_void) -> Result<Producer, Refusal> {
    let builder = match callback {
        Some(function) => builder.callback(Told { function, context }),
        None => builder,
    };
    Ok(Producer(builder.build()?))
}

/// The caller's callback.
struct Told {
    function: unsafe extern "C" fn(*mut c_void, u64, *const Outcome),
    context: *mut c_void,
}

// SAFETY: the context is only handed back, and the caller promises that the callback's thread may have it.
unsafe impl Send for Told {}
// SAFETY: as above; callbacks are called one at a time.
unsafe impl Sync for Told {}

impl felice_blocking::Callback for Told {
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
        let outcome = match &outcome {
            Ok(metadata) => Outcome::stored(metadata),
            Err(error) => {
                let _ = Refusal::from(error).keep();
                Outcome::failed(error)
            }
        };
        // SAFETY: the caller's function, for these arguments; the outcome is there until it returns.
        unsafe { (self.function)(self.context, token, &raw const outcome) }
    }
}

fn null(name: &str) -> Refusal {
    Refusal::argument(format!("{name} is NULL"))
}

fn timeout(milliseconds: i64) -> Result<Duration, Refusal> {
    match milliseconds {
        -1 => Ok(Duration::MAX),
        0.. => Ok(Duration::from_millis(milliseconds.unsigned_abs())),
        _ => Err(Refusal::argument(format!(
            "timeout_ms = {milliseconds} cannot be used: it must be 0 or more, or -1, which is without end"
        ))),
    }
}

/// # Safety
///
/// `value` is NULL, or points to a value that is there and is not changed for `'a`.
unsafe fn reference<'a, T>(name: &str, value: *const T) -> Result<&'a T, Refusal> {
    // SAFETY: as promised.
    unsafe { value.as_ref() }.ok_or_else(|| null(name))
}

/// # Safety
///
/// `text` is NULL, or points to bytes with a 0 at their end, which are there and are not changed for `'a`.
unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a str, Refusal> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: as promised.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|error| {
        Refusal::argument(format!("{name} is no UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// # Safety
///
/// `items` is NULL, or points to `count` items that are there and are not changed for `'a`.
unsafe fn array<'a, T>(name: &str, items: *const T, count: usize) -> Result<Option<&'a [T]>, Refusal> {
    let most = isize::MAX.unsigned_abs() / size_of::<T>();
    if count > most {
        return Err(Refusal::argument(format!("{name} has {count} items, and memory has at most {most}")));
    }
    match (items.is_null(), count) {
        (true, 0) => Ok(None),
        (true, _) => Err(Refusal::argument(format!("{name} is NULL, and is said to have {count} items"))),
        // SAFETY: as promised.
        (false, _) => Ok(Some(unsafe { slice::from_raw_parts(items, count) })),
    }
}

/// # Safety
///
/// `header`, and all it points to, is there and is not changed for `'a`.
unsafe fn header<'a>(header: &Header) -> Result<felice_blocking::Header<'a>, Refusal> {
    // SAFETY: as promised.
    let key = unsafe { text("header.name", header.name) }?;
    // SAFETY: as promised.
    let value = unsafe { array("header.value", header.value.cast(), header.value_size) }?;
    Ok(felice_blocking::Header { key, value })
}

/// Does something with the caller's record.
///
/// # Safety
///
/// `record` is NULL, or points to a record; it, and all it points to, is there and is not changed until this returns.
unsafe fn with_record<T>(
    record: *const Record,
    send: impl FnOnce(&ProducerRecord<'_, Option<&[u8]>, Option<&[u8]>>) -> Result<T, felice_blocking::SendError>,
) -> Result<T, Refusal> {
    // SAFETY: as promised.
    let record = unsafe { reference("record", record) }?;
    // SAFETY: as promised.
    let topic = unsafe { text("record.topic", record.topic) }?;
    // SAFETY: as promised.
    let key = unsafe { array("record.key", record.key.cast(), record.key_size) }?;
    // SAFETY: as promised.
    let value = unsafe { array("record.value", record.value.cast(), record.value_size) }?;
    // SAFETY: as promised.
    let headers =
        unsafe { array("record.headers", record.headers, record.header_count) }?.unwrap_or_default();
    // SAFETY: as promised.
    let headers = headers.iter().map(|it| unsafe { header(it) }).collect::<Result<Vec<_>, _>>()?;
    let mut sent = ProducerRecord::new(topic, value).key(key).headers(&headers);
    sent.partition = (record.partition != -1).then_some(record.partition);
    sent.timestamp = match record.timestamp {
        -1 => None,
        0.. => Some(Timestamp::from_millis(record.timestamp)),
        early => {
            return Err(Refusal::argument(format!(
                "record.timestamp = {early} cannot be used: it must be 0 or more, or -1, which is now"
            )));
        }
    };
    Ok(send(&sent)?)
}

/// Makes a value, and hands it to the caller.
///
/// # Safety
///
/// `place` is NULL, or one for a pointer that may be written.
unsafe fn give<T>(place: *mut *mut T, make: impl FnOnce() -> Result<T, Refusal>) -> Result<(), Refusal> {
    if place.is_null() {
        return Err(Refusal::argument("the place for what is made is NULL"));
    }
    let made = Box::into_raw(Box::new(make()?));
    // SAFETY: as promised.
    unsafe { place.write(made) };
    Ok(())
}

/// # Safety
///
/// `given` is NULL, or what [`give`] has handed out, which nobody uses any more.
#[expect(clippy::unnecessary_wraps, reason = "as all that is guarded")]
unsafe fn free<T>(given: *mut T) -> Result<(), Refusal> {
    if !given.is_null() {
        // SAFETY: as promised.
        drop(unsafe { Box::from_raw(given) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guarded(|| panic!("as a fault of felice's would")), Error::Internal);
        assert_eq!(last(), Error::Internal);
        // SAFETY: felice's own words.
        let words = unsafe { text("words", last_words()) }.unwrap();
        assert_eq!(words, "felice has panicked: that is its own fault");
    }
}
