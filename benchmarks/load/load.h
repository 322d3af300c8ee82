/* What the parts of the load generator share: the plan it was given, its connections, and what it has counted. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common.h"
#include "histogram.h"

enum {
    CHECKED_POSITIONS_MAX = 8,
    IN_FLIGHT_MAX = 256,
    /* The part of every response in which error codes are looked for. */
    RESPONSE_HEAD_BYTES = 512,
    /* Requests up to this size are copied behind each other and leave in one send; of a larger one only the head is copied. */
    SMALL_FRAME_BYTES = 4096,
    OUT_BYTES = 64 * 1024,
    CAPTURE_BYTES_MAX = 8 * 1024 * 1024,
};

/* One measurement, as the command line describes it. */
struct plan {
    const char *host;
    const char *port;
    int connections;
    int in_flight;
    double rate;           /* requests per second of all connections; 0: as fast as answers come */
    uint64_t warm_ns;
    uint64_t measured_ns;
    uint64_t requests_max; /* of the measurement, without warming */
    int watched_process;   /* whose CPU time is told, or 0 */
    struct frame *frames;
    int frame_count;
    int frame_step;        /* from the frame that a connection sends to its next; with as many as connections each has frames of its own */
    int checked_positions[CHECKED_POSITIONS_MAX]; /* of int16 error codes, counted from the correlation id of the response */
    int checked_count;
    int offset_position;   /* of the int64 in a request that walks, counted from its length field, or NOWHERE */
    int64_t offset_stride;
    int64_t offset_end;    /* the walk begins again at 0 before it reaches this */
    bool is_holding;       /* open, send, and wait without counting answers */
    const char *first_response_file;
    const char *last_response_file;
};

struct capture {
    uint8_t *bytes;
    size_t size;
    bool is_open;
    bool is_complete;
};

struct connection {
    int socket;
    int next_frame;
    int64_t next_offset;
    int32_t sent;                    /* correlation ids count from 0 in each connection */
    int32_t answered;
    uint64_t due_ns[IN_FLIGHT_MAX];  /* when the request of each correlation id, modulo IN_FLIGHT_MAX, was due */
    uint8_t *out;                    /* bytes copied and not sent yet */
    size_t out_begin, out_end;
    const uint8_t *large;            /* the rest of a large frame, which follows them */
    size_t large_left;
    uint32_t response_left;          /* bytes of the current response still to come; 0: a length field is next */
    uint32_t response_size;
    uint8_t head[RESPONSE_HEAD_BYTES]; /* length field and beginning of the current response */
    uint32_t head_size;
    bool waits_for_room;
    struct capture *capture;         /* takes in the current response, or NULL */
};

struct counts {
    uint64_t answered;       /* in the measurement */
    uint64_t answered_apart; /* while warming, or after the end */
    uint64_t unsent;         /* due and never sent, because everything was in flight */
    uint64_t response_bytes;
    uint64_t response_bytes_min, response_bytes_max;
    uint64_t begin_ns, end_ns;
    uint64_t process_cpu_begin_ns, process_cpu_end_ns, own_cpu_begin_ns, own_cpu_end_ns;
    struct histogram latencies;
};

enum phase { WARMING, MEASURING, DRAINING };

struct load {
    struct plan plan;
    struct connection *connections;
    int poll;
    enum phase phase;
    struct counts counts;
    struct capture first, last;
};

/* connection.c */
void connection_open(struct load *load, int index);
bool connection_has_room(const struct load *load, const struct connection *connection);
void connection_queue(struct load *load, struct connection *connection, uint64_t due_ns);
void connection_send(struct load *load, struct connection *connection);
int connection_receive(struct load *load, struct connection *connection, uint64_t now_ns);

#endif
