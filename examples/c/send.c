/* Sends readings by each of felice's three patterns: send BOOTSTRAP TOPIC. */

#include <felice.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READINGS 3

static const char *const celsius[READINGS] = {"21.5", "21.6", "21.4"};

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, felice_last_error_message());
    return EXIT_FAILURE;
}

static felice_record reading(const char *topic, int place) {
    felice_record record = felice_record_new(topic, celsius[place], strlen(celsius[place]));
    record.key = "sensor-7";
    record.key_size = strlen("sensor-7");
    return record;
}

/* Called on a thread of the producer's, one call at a time. */
static void on_outcome(void *context, uint64_t token, const felice_outcome *outcome) {
    int *stored = (int *)context;
    if (outcome->error == FELICE_ERROR_OK) {
        *stored += 1;
    } else {
        fprintf(stderr, "record %" PRIu64 ": %s%s\n", token, felice_last_error_message(),
                outcome->possibly_stored ? " (it may be stored)" : "");
    }
}

/* Fire and forget: nobody asks for the outcome. */
static int fire_and_forget(const felice_producer *producer, const char *topic) {
    for (int place = 0; place < READINGS; place++) {
        felice_record record = reading(topic, place);
        if (felice_send(producer, &record, NULL) != FELICE_ERROR_OK) {
            return failed("fire and forget");
        }
    }
    return EXIT_SUCCESS;
}

/* Synchronous: wait for each outcome before the next record. */
static int synchronous(const felice_producer *producer, const char *topic) {
    for (int place = 0; place < READINGS; place++) {
        felice_record record = reading(topic, place);
        felice_header unit = {"unit", "degC", 4};
        record.headers = &unit;
        record.header_count = 1;
        felice_delivery *delivery;
        if (felice_send(producer, &record, &delivery) != FELICE_ERROR_OK) {
            return failed("send");
        }
        felice_outcome outcome;
        felice_error error = felice_wait(delivery, -1, &outcome);
        felice_delivery_free(delivery);
        if (error != FELICE_ERROR_OK) {
            return failed("synchronous");
        }
        printf("%s is at %s-%" PRId32 "@%" PRId64 "\n", celsius[place], topic, outcome.partition, outcome.offset);
    }
    return EXIT_SUCCESS;
}

/* Callback: go on at once; the producer's callback hears of each token. */
static int callback(const felice_producer *producer, const char *topic) {
    for (int place = 0; place < READINGS; place++) {
        felice_record record = reading(topic, place);
        if (felice_send_with_token(producer, &record, (uint64_t)place) != FELICE_ERROR_OK) {
            return failed("callback");
        }
    }
    return EXIT_SUCCESS;
}

static int show_metrics(const felice_producer *producer) {
    size_t needed = 0;
    felice_metrics(producer, NULL, 0, &needed);
    needed += 1024; /* numbers grow */
    char *text = (char *)malloc(needed);
    if (text == NULL) {
        return EXIT_FAILURE;
    }
    int result = EXIT_SUCCESS;
    if (felice_metrics(producer, text, needed, NULL) == FELICE_ERROR_OK) {
        fputs(text, stdout);
    } else {
        result = failed("metrics");
    }
    free(text);
    return result;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "send BOOTSTRAP TOPIC\n");
        return EXIT_FAILURE;
    }
    const char *topic = argv[2];
    char settings[512];
    snprintf(settings, sizeof settings, "bootstrap.servers=%s\nclient.id=gateway-7\nlinger.ms=5\n", argv[1]);

    int stored = 0;
    felice_producer *producer;
    if (felice_producer_new(settings, on_outcome, &stored, &producer) != FELICE_ERROR_OK) {
        return failed("settings");
    }
    int result = fire_and_forget(producer, topic) || synchronous(producer, topic) || callback(producer, topic);
    if (felice_producer_close(producer, 30000) != FELICE_ERROR_OK) {
        result = failed("close");
    }
    printf("felice %s: the callback has heard of %d records\n", felice_version(), stored);
    result = show_metrics(producer) || result;
    felice_producer_free(producer);
    return result;
}
