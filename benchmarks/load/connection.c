/* One connection: requests are queued with their correlation id written in, and responses are taken in their order.
 *
 * A response is not kept. Its length, its correlation id and the error codes at the places that the plan names are checked, and its bytes
 * are counted; the first response of a measurement and one of its last are written out whole, for Python to decode. */
#define _GNU_SOURCE
#include "load.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 1024 * 1024 };

static uint8_t received[RECEIVE_BYTES];

void connection_open(struct load *load, int index) {
    struct connection *connection = &load->connections[index];
    const struct plan *plan = &load->plan;
    connection->socket = connected_socket(plan->host, plan->port);
    connection->out = malloc(OUT_BYTES);
    if (connection->out == NULL)
        fail("out of memory");
    connection->next_frame = index % plan->frame_count;
    /* Connections that walk the same log do not walk abreast. */
    if (plan->offset_position != NOWHERE) {
        int64_t steps = plan->offset_end / plan->offset_stride;
        connection->next_offset = (steps * index / plan->connections) % (steps > 0 ? steps : 1) * plan->offset_stride;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(load->poll, EPOLL_CTL_ADD, connection->socket, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

bool connection_has_room(const struct load *load, const struct connection *connection) {
    return connection->sent - connection->answered < load->plan.in_flight && connection->large_left == 0 &&
           OUT_BYTES - connection->out_end >= SMALL_FRAME_BYTES;
}

void connection_queue(struct load *load, struct connection *connection, uint64_t due_ns) {
    const struct plan *plan = &load->plan;
    const struct frame *frame = &plan->frames[connection->next_frame];
    /* Who walks a log stays with it, as a consumer does. */
    if (plan->offset_position == NOWHERE)
        connection->next_frame = (connection->next_frame + plan->frame_step) % plan->frame_count;
    /* What is written into lies in the first bytes of a frame, so the rest of a large one is sent from where all connections share it. */
    size_t copied = frame->size < SMALL_FRAME_BYTES ? frame->size : SMALL_FRAME_BYTES;
    uint8_t *out = connection->out + connection->out_end;
    memcpy(out, frame->bytes, copied);
    uint32_t correlation_id = htobe32((uint32_t)connection->sent);
    memcpy(out + CORRELATION_ID_POSITION, &correlation_id, sizeof correlation_id);
    if (plan->offset_position != NOWHERE) {
        uint64_t offset = htobe64((uint64_t)connection->next_offset);
        memcpy(out + plan->offset_position, &offset, sizeof offset);
        connection->next_offset += plan->offset_stride;
        if (connection->next_offset + plan->offset_stride > plan->offset_end)
            connection->next_offset = 0;
    }
    connection->out_end += copied;
    connection->large = frame->bytes + copied;
    connection->large_left = frame->size - copied;
    connection->due_ns[connection->sent % IN_FLIGHT_MAX] = due_ns;
    connection->sent++;
}

static void await_room(struct load *load, struct connection *connection, bool waits) {
    if (connection->waits_for_room == waits)
        return;
    connection->waits_for_room = waits;
    struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.u32 = (uint32_t)(connection - load->connections)};
    if (epoll_ctl(load->poll, EPOLL_CTL_MOD, connection->socket, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

void connection_send(struct load *load, struct connection *connection) {
    while (connection->out_end > connection->out_begin || connection->large_left > 0) {
        size_t small = connection->out_end - connection->out_begin;
        struct iovec pieces[2] = {{connection->out + connection->out_begin, small}, {(void *)connection->large, connection->large_left}};
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
        ssize_t sent = sendmsg(connection->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            await_room(load, connection, true);
            return;
        }
        if (sent < 0)
            fail("sending: %s", strerror(errno));
        size_t of_small = (size_t)sent < small ? (size_t)sent : small;
        connection->out_begin += of_small;
        connection->large += (size_t)sent - of_small;
        connection->large_left -= (size_t)sent - of_small;
    }
    connection->out_begin = connection->out_end = 0;
    await_room(load, connection, false);
}

static void check_response(const struct load *load, const struct connection *connection) {
    if (int32_at(connection->head + LENGTH_BYTES) != connection->answered)
        fail("response %d of a connection bears the correlation id %d", connection->answered, int32_at(connection->head + LENGTH_BYTES));
    for (int index = 0; index < load->plan.checked_count; index++) {
        const int position = LENGTH_BYTES + load->plan.checked_positions[index];
        if (position + 2 > (int)connection->head_size)
            fail("a response of %u bytes ends before the error code at %d", connection->response_size, position - LENGTH_BYTES);
        const int code = int16_at(connection->head + position);
        if (code != 0)
            fail("response %d of a connection has the error code %d", connection->answered, code);
    }
}

/* At a pace a request belongs to the measurement in which it was due, whenever its answer comes; else its answer decides. */
static bool is_measured(const struct load *load, uint64_t due_ns) {
    if (load->plan.rate == 0)
        return load->phase == MEASURING;
    return load->phase != WARMING && due_ns >= load->counts.begin_ns;
}

static void count_response(struct load *load, struct connection *connection, uint64_t now) {
    struct counts *counts = &load->counts;
    const uint64_t due_ns = connection->due_ns[connection->answered % IN_FLIGHT_MAX];
    check_response(load, connection);
    if (is_measured(load, due_ns)) {
        counts->answered++;
        counts->response_bytes += connection->response_size;
        if (connection->response_size < counts->response_bytes_min)
            counts->response_bytes_min = connection->response_size;
        if (connection->response_size > counts->response_bytes_max)
            counts->response_bytes_max = connection->response_size;
        histogram_add(&counts->latencies, now - due_ns);
    } else {
        counts->answered_apart++;
    }
    if (connection->capture != NULL)
        connection->capture->is_complete = true;
    connection->capture = NULL;
    connection->answered++;
    connection->head_size = 0;
}

static void begin_response(struct load *load, struct connection *connection) {
    connection->response_size = (uint32_t)int32_at(connection->head);
    connection->response_left = connection->response_size;
    if (connection->response_size < 4 || connection->response_size > 128u * 1024 * 1024)
        fail("a response claims to have %u bytes", connection->response_size);
    struct capture *capture = load->phase == DRAINING ? &load->last : &load->first;
    if (!capture->is_open && connection->response_size <= CAPTURE_BYTES_MAX) {
        capture->is_open = true;
        capture->bytes = malloc(connection->response_size);
        connection->capture = capture;
    }
}

static void keep_head(struct connection *connection, const uint8_t *bytes, size_t size) {
    size_t room = RESPONSE_HEAD_BYTES - connection->head_size;
    size_t kept = size < room ? size : room;
    memcpy(connection->head + connection->head_size, bytes, kept);
    connection->head_size += (uint32_t)kept;
}

/* Takes in what the socket has; returns how many responses became whole. */
int connection_receive(struct load *load, struct connection *connection, uint64_t now) {
    const uint8_t *bytes = received;
    size_t left = receive_bytes(connection->socket, received, sizeof received);
    int completed = 0;
    while (left > 0) {
        if (connection->response_left == 0) {
            size_t wanted = LENGTH_BYTES - connection->head_size;
            size_t taken = left < wanted ? left : wanted;
            keep_head(connection, bytes, taken);
            bytes += taken;
            left -= taken;
            if (connection->head_size == LENGTH_BYTES)
                begin_response(load, connection);
            continue;
        }
        size_t taken = left < connection->response_left ? left : connection->response_left;
        keep_head(connection, bytes, taken);
        if (connection->capture != NULL) {
            memcpy(connection->capture->bytes + connection->capture->size, bytes, taken);
            connection->capture->size += taken;
        }
        bytes += taken;
        left -= taken;
        connection->response_left -= (uint32_t)taken;
        if (connection->response_left == 0) {
            count_response(load, connection, now);
            completed++;
        }
    }
    return completed;
}
