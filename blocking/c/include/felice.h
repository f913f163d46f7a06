/* felice, a Kafka producer for edge gateways: the front-end for plain threads, for C and C++. Made by cbindgen; see
 * README.md beside the folder of this file.
 *
 * What is promised to felice, and what felice cannot check:
 *
 * - A producer or a delivery is NULL, or one that felice has handed out and that was not freed. A producer may be used by
 *   any threads at the same time, a delivery by one at a time; neither while it is freed, nor after that.
 * - A text ends with a 0. A pointer with a size points to so many bytes, and one with a count to so many items. All of
 *   them are there, and nobody changes them, until the function returns; felice keeps none of them.
 * - A place for a result (producer, delivery, outcome, needed) may be written.
 * - A callback may be called, with its context, on a thread of the producer's until the producer was closed or freed
 *   and that has returned; where it is freed in its own callback, until that thread has ended. No exception leaves it.
 * - After fork() a child uses the parent's producers and deliveries for nothing but to free them.
 *
 * All else is checked: what is NULL, no UTF-8 or out of its range is an error, and does no harm. */

#ifndef FELICE_H
#define FELICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a function says. Where it is not `FELICE_ERROR_OK`, `felice_last_error_message` has it in words, with names,
// values and limits. Numbers never change; new ones may come.
typedef enum felice_error {
    // It is done.
    FELICE_ERROR_OK = 0,
    // A pointer is NULL that must not be, a text is no UTF-8, or a number is out of its range.
    FELICE_ERROR_INVALID_ARGUMENT = 1,
    // A setting is missing, unknown, out of range, or does not fit another one.
    FELICE_ERROR_CONFIG = 2,
    // The operating system refused a thread or a file descriptor.
    FELICE_ERROR_SYSTEM = 3,
    // The record was not accepted: the machine's clock is not set (`clock.unset.before.ms`).
    FELICE_ERROR_CLOCK_NOT_SET = 10,
    // The producer is closed. As an outcome: it was closed before the record was acknowledged.
    FELICE_ERROR_CLOSED = 11,
    // The producer was made in another process: after fork() make a new one.
    FELICE_ERROR_FORKED = 12,
    // The record was not accepted: Kafka allows no topic of that name.
    FELICE_ERROR_INVALID_TOPIC = 13,
    // The record was not accepted: the producer was made without a callback, so a token has nobody to go to.
    FELICE_ERROR_NO_CALLBACK = 14,
    // The record was not accepted: `buffer.memory` was full for `max.block.ms`.
    FELICE_ERROR_NO_MEMORY = 15,
    // The record was not accepted: it is larger than `max.request.size`.
    FELICE_ERROR_RECORD_TOO_LARGE = 16,
    // More partitions than `partitions.max`, or, as an outcome, `partitions.known.max` allow.
    FELICE_ERROR_TOO_MANY_PARTITIONS = 17,
    // The record was not accepted: more topics than `topics.max` allows.
    FELICE_ERROR_TOO_MANY_TOPICS = 18,
    // The topic has no such partition.
    FELICE_ERROR_UNKNOWN_PARTITION = 19,
    // The record was not accepted: in a callback it would have to wait for memory.
    FELICE_ERROR_WOULD_BLOCK = 20,
    // There is no outcome yet.
    FELICE_ERROR_TIMED_OUT = 30,
    // What would wait is refused in a callback.
    FELICE_ERROR_IN_CALLBACK = 31,
    // The producer is closed, and some records have failed since that began.
    FELICE_ERROR_UNDELIVERED = 32,
    // The text does not fit into the buffer.
    FELICE_ERROR_BUFFER_TOO_SMALL = 33,
    // The record failed: no broker accepts the client.
    FELICE_ERROR_AUTHENTICATION = 40,
    // The record failed: a broker refused it, with `broker_code`.
    FELICE_ERROR_BROKER = 41,
    // The record failed: it was not acknowledged within `delivery.timeout.ms`.
    FELICE_ERROR_DELIVERY_TIMEOUT = 42,
    // The record failed: its topic does not exist.
    FELICE_ERROR_UNKNOWN_TOPIC = 43,
    // The producer is closed, and the record stays in the spool (`spool.dir`): the next producer there sends it.
    FELICE_ERROR_SPOOLED = 44,
    // The spool has lost the record: dropped, as the settings say, or damaged on the disk.
    FELICE_ERROR_SPOOL_LOST = 45,
    // A fault of felice's own.
    FELICE_ERROR_INTERNAL = 99,
} felice_error;

// The handle of an accepted record, for one thread at a time.
typedef struct felice_delivery felice_delivery;

// Sends records to Kafka. Any threads may use one at the same time.
typedef struct felice_producer felice_producer;

// What became of a record.
typedef struct felice_outcome {
    // `FELICE_ERROR_OK` where it is stored; else why not.
    enum felice_error error;
    // The partition; -1 where the record failed before it had one.
    int32_t partition;
    // The offset in the partition; -1 where it is not known, or the record failed.
    int64_t offset;
    // The record's time in the log, in milliseconds since 1970; -1 where the record failed.
    int64_t timestamp;
    // How often a record that failed was sent; 0 for one that is stored.
    uint32_t attempts;
    // Kafka's code, where `error` is `FELICE_ERROR_BROKER`; else 0.
    int16_t broker_code;
    // Whether a record that failed may be in the log all the same: then sending it again can store it twice.
    bool possibly_stored;
    // Whether sending a record that failed again can succeed.
    bool retriable;
} felice_outcome;

// Hears of each accepted record that was sent with a token: once, in order per partition, on a thread of the producer's
// that does nothing else. It may send; what would wait in it is refused. `outcome` ends with the call; where the record
// failed, `felice_last_error_message` has it in words. No exception may leave it.
typedef void (*felice_callback)(void *context, uint64_t token, const struct felice_outcome *outcome);

// A header of a record.
typedef struct felice_header {
    // The name, a text of UTF-8 with a 0 at its end.
    const char *name;
    // The value; NULL is null, which is not the same as empty.
    const void *value;
    // The value's length in bytes.
    size_t value_size;
} felice_header;

// A record to be sent. Begin with `felice_record_new`: a structure of zeros would be for partition 0 in 1970.
typedef struct felice_record {
    // The topic's name, a text with a 0 at its end.
    const char *topic;
    // The partition; -1 leaves it to the key's hash, or to the producer.
    int32_t partition;
    // The key; NULL is null, which is not the same as empty.
    const void *key;
    // The key's length in bytes.
    size_t key_size;
    // The value; NULL is null, which is not the same as empty.
    const void *value;
    // The value's length in bytes.
    size_t value_size;
    // The headers; NULL where there are none.
    const struct felice_header *headers;
    // How many headers there are.
    size_t header_count;
    // The record's time in milliseconds since 1970; -1 takes the time at which it is sent.
    int64_t timestamp;
} felice_record;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// felice's version, for example "0.1.0".
const char *felice_version(void);

// The last error of this thread, as its function has returned it. What succeeds leaves it as it is.
enum felice_error felice_last_error(void);

// The last error of this thread in words, never NULL; they stay until the next error of this thread.
const char *felice_last_error_message(void);

// Makes a producer of settings by Kafka's names, written as a properties file: `name=value`, a line each. `callback`
// hears of tokens, with `context`; it may be NULL. The producer connects when it has something to send.
//
// Errors: `CONFIG`, `SYSTEM`, `INVALID_ARGUMENT`; then `producer` is not written.
enum felice_error felice_producer_new(const char *properties,
                                      felice_callback callback,
                                      void *context,
                                      struct felice_producer **producer);

// The same, with the settings of a file: a producer.properties as Kafka's own tools have it, in UTF-8.
enum felice_error felice_producer_from_file(const char *path,
                                            felice_callback callback,
                                            void *context,
                                            struct felice_producer **producer);

// A record for a topic, with a value, and without key, partition, headers and timestamp. Nothing is copied.
struct felice_record felice_record_new(const char *topic, const void *value, size_t value_size);

// Accepts a record, and copies it. It waits for memory only, `max.block.ms` at most; in a callback it does not wait.
// `delivery` gets its handle, which is to be freed; NULL is fire and forget.
//
// Errors: the record was not taken, and never will be sent; `delivery` is not written.
enum felice_error felice_send(const struct felice_producer *producer,
                              const struct felice_record *record,
                              struct felice_delivery **delivery);

// As `felice_send`; the producer's callback hears of the outcome, with `token`. There is nothing to free.
//
// Errors: the record was not taken, and the callback never hears of it.
enum felice_error felice_send_with_token(const struct felice_producer *producer,
                                         const struct felice_record *record,
                                         uint64_t token);

// Waits for a record's outcome, `timeout_ms` milliseconds at most; -1 is without end, which is `delivery.timeout.ms` but
// with a spool. It may be asked again, and says the same. `outcome` may be NULL.
//
// Errors: that of a record that failed, with `outcome` written. `TIMED_OUT`, `IN_CALLBACK`, `FORKED` and
// `INVALID_ARGUMENT` say that nothing is known of the record; `outcome` is not written.
enum felice_error felice_wait(struct felice_delivery *delivery,
                              int64_t timeout_ms,
                              struct felice_outcome *outcome);

// Frees a handle; the record is sent all the same. NULL is nothing.
void felice_delivery_free(struct felice_delivery *delivery);

// Sends what is held without waiting for its linger, and waits until every record that was accepted before has its outcome
// and its callback has run. With a spool: until every record is durable there, or has its outcome.
enum felice_error felice_flush(const struct felice_producer *producer);

// Closes the producer for all threads. What is held may still be acknowledged, for `timeout_ms` milliseconds, -1 is
// without end; the rest fails. It returns when every record has its outcome and every callback has run. The producer is
// still to be freed.
//
// Errors: `UNDELIVERED` says that records have failed since.
enum felice_error felice_producer_close(const struct felice_producer *producer,
                                        int64_t timeout_ms);

// Frees a producer, which no thread may use any more. One that is not closed sends what it holds, `drop.timeout.ms`
// at most; in its callback it does not wait. NULL is nothing.
void felice_producer_free(struct felice_producer *producer);

// Writes what the producer has counted so far, as text for Prometheus with a 0 at its end. `needed` gets how many bytes
// that takes, also where they do not fit; it may be NULL. `buffer` may be NULL where `size` is 0.
//
// Errors: `BUFFER_TOO_SMALL`; then the buffer is as it was.
enum felice_error felice_metrics(const struct felice_producer *producer,
                                 char *buffer,
                                 size_t size,
                                 size_t *needed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FELICE_H */
