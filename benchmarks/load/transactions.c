/* Transactional producers: each writes one batch in a transaction, commits, and begins again, with a connection and one request under way.
 *
 * The frames of a transaction come encoded, in the order in which they are sent: the announcement of the partition (where the protocol has
 * one), the batch, the end. Of each only correlation id, producer, epoch, sequence and checksum are written into. Where the answer to the
 * end names a producer, that is who the producer is from then on, and its sequence begins anew (KIP-890).
 *
 * A commit is timed from the sending of its end until the system told of the answer, which is before any other producer is served; an end
 * that has to be asked for again counts from the first time. The pauses between transactions come from a file, too, so that they are the
 * same for every broker; without one the next transaction begins as soon as the last is committed. The outcome is one JSON object on
 * standard output. Anything unexpected ends the program with a sentence: a fast error would look like a fast broker. */
#define _GNU_SOURCE
#include "common.h"
#include "histogram.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PRODUCERS_MAX = 256,
    STEPS_MAX = 3,
    RESPONSE_BYTES_MAX = 4096,
    /* Within a batch: its size, the checksum, what that covers, and producer id, epoch and sequence. */
    BATCH_LENGTH_AT = 8,
    BATCH_BYTES_BEFORE_LENGTH_END = 12,
    CHECKSUM_AT = 17,
    COVERED_FROM = 21,
    PRODUCER_AT = 43,
    PRODUCER_BYTES = 10,
    SEQUENCE_AT = 53,
    /* Kafka's error codes. */
    CONCURRENT_TRANSACTIONS = 51,
};

/* How long clients wait before they ask again while the last transaction is being ended: for its first partition, and for anything else
 * (`retry.backoff.ms`). */
static const uint64_t JOIN_BACKOFF_NS = 20 * 1000000ull;
static const uint64_t BACKOFF_NS = 100 * 1000000ull;
static const uint64_t SILENCE_NS = 30 * SECOND_NS;

struct plan {
    const char *host;
    const char *port;
    int producers;
    int steps;                     /* requests of a transaction; the first of three announces the partition */
    int error_positions[STEPS_MAX]; /* of the int16 error code in the response to each, counted from the correlation id */
    int error_count;
    int batch_position;            /* in the frame that writes */
    int end_producer_position;     /* of producer id and epoch in the frame that ends */
    int told_producer_position;    /* of the same in the response to that, counted as an error code, or NOWHERE */
    int records;                   /* of a batch */
    uint64_t warm_ns, measured_ns;
    int watched_process;
    const int64_t *pauses_ns;      /* as many for each producer, one producer behind the other; NULL: none */
    uint64_t pauses_count;         /* of one producer */
};

struct step {
    uint8_t *bytes;
    uint32_t size;
};

struct producer {
    int socket;
    struct step steps[STEPS_MAX];
    int step;
    int32_t correlation_id;
    int32_t sequence;
    uint64_t commit_begin_ns;      /* 0: no end was asked for in this transaction */
    uint64_t due_ns;               /* when this transaction was to begin */
    uint64_t pauses_taken;
    uint64_t send_ns;              /* when the next request is to be sent, or UINT64_MAX while an answer is awaited */
    bool is_done;
    uint8_t response[RESPONSE_BYTES_MAX];
    uint32_t received;
};

static struct plan plan = {.host = "127.0.0.1", .producers = 1, .records = 1, .told_producer_position = NOWHERE};
static struct producer producers[PRODUCERS_MAX];
static struct histogram commits;
static uint64_t committed, committed_before, retried;
static bool is_stopping;
static uint32_t checksum_table[8][256];

/* CRC-32C, eight bytes at a time. */
static void fill_checksum_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0);
        checksum_table[0][byte] = value;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int slice = 1; slice < 8; slice++)
            checksum_table[slice][byte] = checksum_table[slice - 1][byte] >> 8 ^ checksum_table[0][checksum_table[slice - 1][byte] & 0xFF];
}

static uint32_t checksum(const uint8_t *bytes, size_t size) {
    uint32_t value = ~0u;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t eight;
        memcpy(&eight, bytes, sizeof eight);
        eight = le64toh(eight) ^ value;
        value = 0;
        for (int index = 0; index < 8; index++)
            value ^= checksum_table[7 - index][eight >> 8 * index & 0xFF];
    }
    for (; size > 0; size--, bytes++)
        value = value >> 8 ^ checksum_table[0][(value ^ *bytes) & 0xFF];
    return ~value;
}

static struct step *writing_of(struct producer *producer) { return &producer->steps[plan.steps - 2]; }
static struct step *ending_of(struct producer *producer) { return &producer->steps[plan.steps - 1]; }

/* Make the frames those of the next transaction; `told` is producer id and epoch as the broker wrote them, NULL if they stay. */
static void prepare(struct producer *producer, const uint8_t *told) {
    struct step *writing = writing_of(producer);
    uint8_t *batch = writing->bytes + plan.batch_position;
    if (told != NULL) {
        memcpy(batch + PRODUCER_AT, told, PRODUCER_BYTES);
        memcpy(ending_of(producer)->bytes + plan.end_producer_position, told, PRODUCER_BYTES);
    }
    uint32_t sequence = htobe32((uint32_t)producer->sequence);
    memcpy(batch + SEQUENCE_AT, &sequence, sizeof sequence);
    const uint32_t size = (uint32_t)int32_at(batch + BATCH_LENGTH_AT) + BATCH_BYTES_BEFORE_LENGTH_END;
    if (batch + size > writing->bytes + writing->size)
        fail("the batch is longer than its frame");
    const uint32_t sum = htobe32(checksum(batch + COVERED_FROM, size - COVERED_FROM));
    memcpy(batch + CHECKSUM_AT, &sum, sizeof sum);
}

/* When the next transaction has time. One that is late does not make up for it: its commit is timed, not its beginning. */
static uint64_t next_begin_ns(struct producer *producer, uint64_t now) {
    if (plan.pauses_ns == NULL)
        return now;
    const uint64_t first = (uint64_t)(producer - producers) * plan.pauses_count;
    producer->due_ns += (uint64_t)plan.pauses_ns[first + producer->pauses_taken++ % plan.pauses_count];
    if (producer->due_ns < now)
        producer->due_ns = now;
    return producer->due_ns;
}

static void send_request(struct producer *producer) {
    struct step *step = &producer->steps[producer->step];
    const uint32_t correlation_id = htobe32((uint32_t)++producer->correlation_id);
    memcpy(step->bytes + CORRELATION_ID_POSITION, &correlation_id, sizeof correlation_id);
    producer->send_ns = UINT64_MAX;
    if (producer->step == plan.steps - 1 && producer->commit_begin_ns == 0)
        producer->commit_begin_ns = now_ns();
    for (uint32_t sent = 0; sent < step->size;) {
        const ssize_t size = send(producer->socket, step->bytes + sent, step->size - sent, MSG_NOSIGNAL);
        if (size < 0)
            fail("sending: %s", strerror(errno));
        sent += (uint32_t)size;
    }
}

/* Take in what has come; whether that is a whole response. */
static bool receive(struct producer *producer) {
    uint8_t *end = producer->response + producer->received;
    producer->received += (uint32_t)receive_bytes(producer->socket, end, RESPONSE_BYTES_MAX - producer->received);
    if (producer->received < LENGTH_BYTES)
        return false;
    const uint32_t whole = (uint32_t)int32_at(producer->response) + LENGTH_BYTES;
    if (whole > RESPONSE_BYTES_MAX || producer->received > whole)
        fail("a response claims to have %u bytes, and %u came", whole, producer->received);
    return producer->received == whole;
}

/* The next request is to be sent at `send_ns`; whoever is in no transaction when all are stopping begins none. */
static void plan_request(struct producer *producer, uint64_t send_ns) {
    producer->is_done = is_stopping && producer->step == 0;
    producer->send_ns = producer->is_done ? UINT64_MAX : send_ns;
}

/* `told_ns` is when the system told of the response. */
static void take_response(struct producer *producer, uint64_t told_ns) {
    const int error_position = LENGTH_BYTES + plan.error_positions[producer->step];
    const uint32_t received = producer->received;
    const uint8_t *response = producer->response;
    producer->received = 0;
    if (int32_at(response + LENGTH_BYTES) != producer->correlation_id)
        fail("request %d was answered as %d", producer->correlation_id, int32_at(response + LENGTH_BYTES));
    if ((uint32_t)error_position + 2 > received)
        fail("the response to request %d of a transaction ends before its error code", producer->step + 1);
    const int code = int16_at(response + error_position);
    if (code == CONCURRENT_TRANSACTIONS) {
        retried++;
        plan_request(producer, now_ns() + (plan.steps == STEPS_MAX && producer->step == 0 ? JOIN_BACKOFF_NS : BACKOFF_NS));
        return;
    }
    if (code != 0)
        fail("request %d of %d of a transaction has the error code %d", producer->step + 1, plan.steps, code);
    if (++producer->step < plan.steps) {
        send_request(producer);
        return;
    }
    producer->step = 0;
    committed++;
    histogram_add(&commits, told_ns - producer->commit_begin_ns);
    producer->commit_begin_ns = 0;
    const bool is_told = plan.told_producer_position != NOWHERE;
    const int told_position = LENGTH_BYTES + plan.told_producer_position;
    if (is_told && (uint32_t)told_position + PRODUCER_BYTES > received)
        fail("the response to an end does not say who the producer is now");
    producer->sequence = is_told ? 0 : producer->sequence + plan.records;
    prepare(producer, is_told ? response + told_position : NULL);
    plan_request(producer, next_begin_ns(producer, now_ns()));
}

/* Let all work until then, or until all are done. */
static void serve(int poll, uint64_t until_ns) {
    struct epoll_event events[PRODUCERS_MAX];
    uint64_t heard_ns = now_ns();
    for (;;) {
        uint64_t now = now_ns(), wake_ns = until_ns < now + SILENCE_NS ? until_ns : now + SILENCE_NS;
        bool is_over = true, is_awaiting = false;
        for (int index = 0; index < plan.producers; index++) {
            struct producer *producer = &producers[index];
            if (producer->send_ns <= now)
                send_request(producer);
            if (producer->send_ns < wake_ns)
                wake_ns = producer->send_ns;
            is_awaiting |= producer->send_ns == UINT64_MAX && !producer->is_done;
            is_over &= producer->is_done;
        }
        if (is_over || now_ns() >= until_ns)
            return;
        const int count = wait_for_events(poll, events, PRODUCERS_MAX, wake_ns);
        const uint64_t told_ns = now_ns();
        if (count > 0 || !is_awaiting)
            heard_ns = told_ns;
        if (told_ns > heard_ns + SILENCE_NS)
            fail("the broker answered nothing for %llu s", (unsigned long long)(SILENCE_NS / SECOND_NS));
        for (int index = 0; index < count; index++) {
            struct producer *producer = &producers[events[index].data.u32];
            if (receive(producer))
                take_response(producer, told_ns);
        }
    }
}

/* Let each end the transaction that it is in. */
static void stop(int poll) {
    is_stopping = true;
    for (int index = 0; index < plan.producers; index++)
        if (producers[index].send_ns != UINT64_MAX)
            plan_request(&producers[index], producers[index].send_ns);
    serve(poll, UINT64_MAX);
}

static void open_producer(int poll, int index, const struct frame *frames) {
    struct producer *producer = &producers[index];
    for (int step = 0; step < plan.steps; step++) {
        const struct frame *frame = &frames[index * plan.steps + step];
        producer->steps[step] = (struct step){malloc(frame->size), frame->size};
        if (producer->steps[step].bytes == NULL)
            fail("out of memory");
        memcpy(producer->steps[step].bytes, frame->bytes, frame->size);
    }
    prepare(producer, NULL);
    producer->socket = connected_socket(plan.host, plan.port);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, producer->socket, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

static const struct frame *take_options(int count, char **arguments) {
    static const struct option options[] = {
        {"host", 1, 0, 'h'},     {"port", 1, 0, 'p'},     {"frames", 1, 0, 'f'},       {"pauses", 1, 0, 'd'},
        {"producers", 1, 0, 'n'}, {"steps", 1, 0, 'k'},   {"error-at", 1, 0, 'e'},     {"batch-at", 1, 0, 'b'},
        {"end-producer-at", 1, 0, 'E'}, {"told-producer-at", 1, 0, 't'}, {"records", 1, 0, 'r'}, {"warm-seconds", 1, 0, 'w'},
        {"seconds", 1, 0, 's'},  {"process", 1, 0, 'P'},  {0, 0, 0, 0},
    };
    const char *frames_file = NULL;
    uint64_t pauses_bytes = 0;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'h': plan.host = optarg; break;
        case 'p': plan.port = optarg; break;
        case 'f': frames_file = optarg; break;
        case 'd': plan.pauses_ns = (const int64_t *)(const void *)mapped_file(optarg, &pauses_bytes); break;
        case 'n': plan.producers = atoi(optarg); break;
        case 'k': plan.steps = atoi(optarg); break;
        case 'e':
            if (plan.error_count == STEPS_MAX)
                fail("a transaction has at most %d requests", STEPS_MAX);
            plan.error_positions[plan.error_count++] = atoi(optarg);
            break;
        case 'b': plan.batch_position = atoi(optarg); break;
        case 'E': plan.end_producer_position = atoi(optarg); break;
        case 't': plan.told_producer_position = atoi(optarg); break;
        case 'r': plan.records = atoi(optarg); break;
        case 'w': plan.warm_ns = seconds(optarg); break;
        case 's': plan.measured_ns = seconds(optarg); break;
        case 'P': plan.watched_process = atoi(optarg); break;
        default: fail("an option is not known");
        }
    }
    if (plan.port == NULL || frames_file == NULL)
        fail("--port and --frames are needed");
    if (plan.producers < 1 || plan.producers > PRODUCERS_MAX)
        fail("--producers is not between 1 and %d", PRODUCERS_MAX);
    if (plan.steps < 2 || plan.steps > STEPS_MAX || plan.error_count != plan.steps)
        fail("a transaction has two requests or three, each with a place of its error code");
    plan.pauses_count = pauses_bytes / sizeof *plan.pauses_ns / (uint64_t)plan.producers;
    if (plan.pauses_ns != NULL && plan.pauses_count == 0)
        fail("there are fewer pauses than producers");
    int frame_count;
    const struct frame *frames = read_frames(frames_file, &frame_count);
    if (frame_count != plan.producers * plan.steps)
        fail("there are %d frames for %d producers with %d requests each", frame_count, plan.producers, plan.steps);
    return frames;
}

int main(int count, char **arguments) {
    const struct frame *frames = take_options(count, arguments);
    /* Whoever is due is not to wait for others who come a little later. */
    prctl(PR_SET_TIMERSLACK, 1ul);
    fill_checksum_table();
    const int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < plan.producers; index++)
        open_producer(poll, index, frames);
    uint64_t begin_ns = now_ns();
    for (int index = 0; index < plan.producers; index++) {
        producers[index].due_ns = begin_ns;
        plan_request(&producers[index], next_begin_ns(&producers[index], begin_ns));
    }
    if (plan.warm_ns > 0)
        serve(poll, begin_ns + plan.warm_ns);
    committed_before = committed;
    retried = 0;
    commits = (struct histogram){0};
    begin_ns = now_ns();
    const uint64_t broker_begin_ns = process_cpu_ns(plan.watched_process), own_begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    serve(poll, begin_ns + plan.measured_ns);
    printf("{\"elapsed_ns\": %llu, \"broker_cpu_ns\": %llu, \"own_cpu_ns\": %llu, \"committed\": %llu, \"retried\": %llu, \"commits\": ",
           (unsigned long long)(now_ns() - begin_ns), (unsigned long long)(process_cpu_ns(plan.watched_process) - broker_begin_ns),
           (unsigned long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_begin_ns), (unsigned long long)(committed - committed_before),
           (unsigned long long)retried);
    histogram_print(&commits, stdout);
    stop(poll);
    printf(", \"committed_total\": %llu}\n", (unsigned long long)committed);
    return 0;
}
