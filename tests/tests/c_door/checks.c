/* What a program in C can do wrong, and what becomes of it: checks BOOTSTRAP TOPIC SETTINGS-FILE. A check that fails ends it. */

#include <felice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                          \
    do {                                                                                     \
        if (!(what)) {                                                                       \
            fprintf(stderr, "line %d: %s; \"%s\"\n", __LINE__, #what, felice_last_error_message()); \
            exit(EXIT_FAILURE);                                                              \
        }                                                                                    \
    } while (0)

/* A call that fails, with these words. */
#define REFUSED(call, kind, words)                        \
    do {                                                  \
        CHECK((call) == (kind));                          \
        CHECK(felice_last_error() == (kind));             \
        CHECK(strcmp(felice_last_error_message(), (words)) == 0); \
    } while (0)

struct heard {
    felice_producer *producer;
    const char *topic;
    uint64_t stored, failed;
};

/* Tokens come in order; what would wait is refused; sending is not. */
static void hear(void *context, uint64_t token, const felice_outcome *outcome) {
    struct heard *heard = (struct heard *)context;
    CHECK(outcome->error == FELICE_ERROR_OK && outcome->offset >= 0 && outcome->timestamp > 0);
    CHECK(token == heard->stored);
    heard->stored++;
    if (token == 0) {
        REFUSED(felice_flush(heard->producer), FELICE_ERROR_IN_CALLBACK,
                "flush cannot wait in a callback; all that is held is on its way");
        felice_record record = felice_record_new(heard->topic, NULL, 0);
        record.partition = 0;
        CHECK(felice_send(heard->producer, &record, NULL) == FELICE_ERROR_OK);
    }
}

/* A failure is heard of with its words. */
static void hear_the_end(void *context, uint64_t token, const felice_outcome *outcome) {
    struct heard *heard = (struct heard *)context;
    CHECK(token == 431 && outcome->error == FELICE_ERROR_CLOSED && felice_last_error() == FELICE_ERROR_CLOSED);
    CHECK(strstr(felice_last_error_message(), "failed: the producer was closed") != NULL);
    CHECK(outcome->offset == -1 && !outcome->possibly_stored && !outcome->retriable);
    heard->failed++;
}

static void settings(const char *file) {
    felice_producer *producer = NULL;
    CHECK(strcmp(felice_last_error_message(), "") == 0 && felice_last_error() == FELICE_ERROR_OK);
    REFUSED(felice_producer_new(NULL, NULL, NULL, &producer), FELICE_ERROR_INVALID_ARGUMENT, "properties is NULL");
    REFUSED(felice_producer_new("", NULL, NULL, NULL), FELICE_ERROR_INVALID_ARGUMENT,
            "the place for what is made is NULL");
    REFUSED(felice_producer_new("client.id=\xff", NULL, NULL, &producer), FELICE_ERROR_INVALID_ARGUMENT,
            "properties is no UTF-8 from byte 10 on");
    REFUSED(felice_producer_new("acks=1", NULL, NULL, &producer), FELICE_ERROR_CONFIG,
            "properties: bootstrap.servers is missing");
    REFUSED(felice_producer_new("bootstrap.servers=k:1\nbuffer.memory=1000", NULL, NULL, &producer),
            FELICE_ERROR_CONFIG,
            "properties, line 2: buffer.memory = 1000 cannot be used: it must be 16384 to 1073741824");
    REFUSED(felice_producer_from_file("/no/such.properties", NULL, NULL, &producer), FELICE_ERROR_CONFIG,
            "/no/such.properties: No such file or directory (os error 2)");
    CHECK(producer == NULL);
    CHECK(felice_producer_from_file(file, NULL, NULL, &producer) == FELICE_ERROR_OK);
    CHECK(felice_producer_close(producer, 0) == FELICE_ERROR_OK);
    felice_producer_free(producer);
}

static void arguments(const felice_producer *producer, const char *topic) {
    felice_record record = felice_record_new(topic, "value", 5);
    REFUSED(felice_send(NULL, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT, "producer is NULL");
    REFUSED(felice_send(producer, NULL, NULL), FELICE_ERROR_INVALID_ARGUMENT, "record is NULL");
    record.topic = NULL;
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT, "record.topic is NULL");
    record.topic = "te\xff";
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT,
            "record.topic is no UTF-8 from byte 2 on");
    record.topic = "a b";
    CHECK(felice_send(producer, &record, NULL) == FELICE_ERROR_INVALID_TOPIC);
    record = felice_record_new(topic, NULL, 5);
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT,
            "record.value is NULL, and is said to have 5 items");
    record = felice_record_new(topic, "value", SIZE_MAX);
    CHECK(felice_send(producer, &record, NULL) == FELICE_ERROR_INVALID_ARGUMENT);
    record = felice_record_new(topic, "value", 5);
    record.header_count = 2;
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT,
            "record.headers is NULL, and is said to have 2 items");
    felice_header header = {NULL, NULL, 0};
    record.headers = &header;
    record.header_count = 1;
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT, "header.name is NULL");
    record = felice_record_new(topic, "value", 5);
    record.timestamp = -2;
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_INVALID_ARGUMENT,
            "record.timestamp = -2 cannot be used: it must be 0 or more, or -1, which is now");
    REFUSED(felice_wait(NULL, 0, NULL), FELICE_ERROR_INVALID_ARGUMENT, "delivery is NULL");
    REFUSED(felice_producer_close(producer, -2), FELICE_ERROR_INVALID_ARGUMENT,
            "timeout_ms = -2 cannot be used: it must be 0 or more, or -1, which is without end");
    REFUSED(felice_metrics(producer, NULL, 1 << 20, NULL), FELICE_ERROR_INVALID_ARGUMENT, "buffer is NULL");
    char small[16] = "as it was";
    size_t needed = 0;
    CHECK(felice_metrics(producer, small, sizeof small, &needed) == FELICE_ERROR_BUFFER_TOO_SMALL);
    CHECK(needed > sizeof small && strcmp(small, "as it was") == 0);
    felice_producer_free(NULL);
    felice_delivery_free(NULL);
}

static void outcomes(const felice_producer *producer, const char *topic) {
    felice_record record = felice_record_new(topic, "", 0);
    record.partition = 0;
    record.timestamp = 1700000000000;
    felice_header headers[2] = {{"null", NULL, 0}, {"empty", "", 0}};
    record.headers = headers;
    record.header_count = 2;
    felice_delivery *delivery;
    felice_outcome outcome;
    CHECK(felice_send(producer, &record, &delivery) == FELICE_ERROR_OK);
    CHECK(felice_wait(delivery, 60000, &outcome) == FELICE_ERROR_OK);
    CHECK(outcome.error == FELICE_ERROR_OK && outcome.partition == 0 && outcome.offset == 0);
    CHECK(outcome.timestamp == 1700000000000);
    outcome.offset = -7;
    CHECK(felice_wait(delivery, 0, &outcome) == FELICE_ERROR_OK && outcome.offset == 0); /* asked again */
    CHECK(felice_wait(delivery, -1, NULL) == FELICE_ERROR_OK);
    felice_delivery_free(delivery);
    CHECK(felice_send(producer, &record, &delivery) == FELICE_ERROR_OK);
    felice_delivery_free(delivery); /* it is sent all the same */
}

/* Nobody listens at this address: there is no outcome before the producer is closed, and then it is known. */
static void unreachable(const char *topic) {
    felice_producer *producer;
    felice_delivery *delivery;
    felice_outcome outcome;
    felice_record record = felice_record_new(topic, "value", 5);
    CHECK(felice_producer_new("bootstrap.servers=127.0.0.1:1", NULL, NULL, &producer) == FELICE_ERROR_OK);
    CHECK(felice_send_with_token(producer, &record, 1) == FELICE_ERROR_NO_CALLBACK);
    felice_producer_free(producer);

    struct heard heard = {NULL, topic, 0, 0};
    CHECK(felice_producer_new("bootstrap.servers=127.0.0.1:1", hear_the_end, &heard, &producer) == FELICE_ERROR_OK);
    CHECK(felice_send_with_token(producer, &record, 431) == FELICE_ERROR_OK);
    CHECK(felice_send(producer, &record, &delivery) == FELICE_ERROR_OK);
    outcome.offset = 7;
    REFUSED(felice_wait(delivery, 1, &outcome), FELICE_ERROR_TIMED_OUT, "the record has no outcome yet");
    CHECK(outcome.offset == 7);
    REFUSED(felice_producer_close(producer, 0), FELICE_ERROR_UNDELIVERED, "closed, but 2 records failed");
    CHECK(heard.failed == 1);
    CHECK(felice_wait(delivery, -1, &outcome) == FELICE_ERROR_CLOSED && outcome.error == FELICE_ERROR_CLOSED);
    CHECK(outcome.offset == -1 && !outcome.possibly_stored && !outcome.retriable);
    REFUSED(felice_send(producer, &record, NULL), FELICE_ERROR_CLOSED, "record not accepted: the producer is closed");
    felice_producer_free(producer);
    CHECK(felice_wait(delivery, -1, NULL) == FELICE_ERROR_CLOSED); /* a handle outlives its producer */
    felice_delivery_free(delivery);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    const char *topic = argv[2];
    settings(argv[3]);
    unreachable(topic);

    char properties[512];
    snprintf(properties, sizeof properties, "bootstrap.servers=%s\nlinger.ms=0\n", argv[1]);
    struct heard heard = {NULL, topic, 0, 0};
    CHECK(felice_producer_new(properties, hear, &heard, &heard.producer) == FELICE_ERROR_OK);
    arguments(heard.producer, topic);
    outcomes(heard.producer, topic);
    for (uint64_t token = 0; token < 100; token++) {
        felice_record record = felice_record_new(topic, &token, sizeof token);
        record.partition = 0;
        CHECK(felice_send_with_token(heard.producer, &record, token) == FELICE_ERROR_OK);
    }
    felice_record nowhere = felice_record_new(topic, "value", 5);
    nowhere.partition = 99;
    CHECK(felice_send_with_token(heard.producer, &nowhere, 100) == FELICE_ERROR_UNKNOWN_PARTITION);
    CHECK(felice_flush(heard.producer) == FELICE_ERROR_OK);
    CHECK(heard.stored == 100 && heard.failed == 0);
    CHECK(felice_producer_close(heard.producer, 60000) == FELICE_ERROR_OK);
    felice_producer_free(heard.producer);
    return EXIT_SUCCESS;
}
