/* Load for a broker: frames of a file, sent over N connections with K in flight each, as fast as they are answered or at a pace.
 *
 * With --rate every request has a moment at which it is due, and its latency counts from there, even when it could not be sent yet: a
 * broker that stands still is charged for all that should have happened meanwhile. One thread, epoll, no copy of what is large. The
 * outcome is one JSON object on standard output; anything unexpected (an error code, a wrong correlation id, a closed connection) ends
 * the program with a sentence on standard error, because a fast error would look like a fast broker. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 };
static const uint64_t DRAIN_NS = 30 * SECOND_NS;

static struct plan plan_of(int count, char **arguments) {
    static const struct option options[] = {
        {"host", 1, 0, 'h'},        {"port", 1, 0, 'p'},          {"connections", 1, 0, 'n'},     {"in-flight", 1, 0, 'k'},
        {"frames", 1, 0, 'f'},      {"seconds", 1, 0, 's'},       {"warm-seconds", 1, 0, 'w'},    {"rate", 1, 0, 'r'},
        {"requests-max", 1, 0, 'm'}, {"process", 1, 0, 'P'},      {"check-at", 1, 0, 'c'},        {"offset-at", 1, 0, 'o'},
        {"offset-stride", 1, 0, 'S'}, {"offset-end", 1, 0, 'E'},  {"hold", 0, 0, 'H'},            {"first-response", 1, 0, 'F'},
        {"last-response", 1, 0, 'L'}, {"frame-step", 1, 0, 'T'},  {0, 0, 0, 0},
    };
    struct plan plan = {.host = "127.0.0.1", .connections = 1, .in_flight = 1, .measured_ns = SECOND_NS, .requests_max = UINT64_MAX,
                        .frame_step = 1, .offset_position = NOWHERE, .offset_stride = 1};
    const char *frames = NULL;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'h': plan.host = optarg; break;
        case 'p': plan.port = optarg; break;
        case 'n': plan.connections = atoi(optarg); break;
        case 'k': plan.in_flight = atoi(optarg); break;
        case 'f': frames = optarg; break;
        case 'T': plan.frame_step = atoi(optarg); break;
        case 's': plan.measured_ns = seconds(optarg); break;
        case 'w': plan.warm_ns = seconds(optarg); break;
        case 'r': plan.rate = atof(optarg); break;
        case 'm': plan.requests_max = strtoull(optarg, NULL, 10); break;
        case 'P': plan.watched_process = atoi(optarg); break;
        case 'c':
            if (plan.checked_count == CHECKED_POSITIONS_MAX)
                fail("no more than %d positions can be checked", CHECKED_POSITIONS_MAX);
            plan.checked_positions[plan.checked_count++] = atoi(optarg);
            break;
        case 'o': plan.offset_position = atoi(optarg); break;
        case 'S': plan.offset_stride = strtoll(optarg, NULL, 10); break;
        case 'E': plan.offset_end = strtoll(optarg, NULL, 10); break;
        case 'H': plan.is_holding = true; break;
        case 'F': plan.first_response_file = optarg; break;
        case 'L': plan.last_response_file = optarg; break;
        default: fail("an option is not known");
        }
    }
    if (plan.port == NULL || frames == NULL)
        fail("--port and --frames are needed");
    if (plan.connections < 1 || plan.in_flight < 1 || plan.in_flight > IN_FLIGHT_MAX || plan.offset_stride < 1 ||
        plan.frame_step < 1)
        fail("--connections, --in-flight (at most %d), --frame-step and --offset-stride must be positive", IN_FLIGHT_MAX);
    plan.frames = read_frames(frames, &plan.frame_count);
    return plan;
}

static void fill(struct load *load, struct connection *connection, uint64_t now) {
    while (connection_has_room(load, connection)) {
        while (connection_has_room(load, connection))
            connection_queue(load, connection, now);
        connection_send(load, connection);
    }
}

/* Handle what happens until `until_ns` or `requests_max` answers in this phase; with a pace, send what is due. */
static void run_phase(struct load *load, enum phase phase, uint64_t until_ns) {
    struct epoll_event events[EVENTS_MAX];
    const struct plan *plan = &load->plan;
    const bool is_paced = plan->rate > 0;
    const double interval_ns = is_paced ? 1e9 / plan->rate : 0;
    const uint64_t begin_ns = now_ns();
    uint64_t paced = 0, answered = 0;
    int next = 0;
    load->phase = phase;
    for (uint64_t now = begin_ns; now < until_ns && (phase != MEASURING || answered < plan->requests_max); now = now_ns()) {
        uint64_t wake_ns = until_ns;
        while (is_paced) {
            uint64_t due_ns = begin_ns + (uint64_t)((double)paced * interval_ns);
            if (due_ns > now) {
                wake_ns = due_ns < until_ns ? due_ns : until_ns;
                break;
            }
            int tried = 0;
            while (tried < plan->connections && !connection_has_room(load, &load->connections[next])) {
                next = (next + 1) % plan->connections;
                tried++;
            }
            if (tried == plan->connections)
                break; /* Everything is in flight: an answer wakes us, and the request keeps the time at which it was due. */
            connection_queue(load, &load->connections[next], due_ns);
            connection_send(load, &load->connections[next]);
            next = (next + 1) % plan->connections;
            paced++;
        }
        int count = wait_for_events(load->poll, events, EVENTS_MAX, wake_ns);
        now = now_ns();
        for (int index = 0; index < count; index++) {
            struct connection *connection = &load->connections[events[index].data.u32];
            if (events[index].events & ~(uint32_t)EPOLLOUT)
                answered += (uint64_t)connection_receive(load, connection, now);
            if (events[index].events & EPOLLOUT)
                connection_send(load, connection);
            if (!is_paced)
                fill(load, connection, now);
        }
    }
    if (is_paced && phase == MEASURING) {
        uint64_t due = (uint64_t)((double)(now_ns() - begin_ns) / interval_ns);
        load->counts.unsent = due > paced + 1 ? due - paced - 1 : 0;
    }
}

static void drain(struct load *load) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t until_ns = now_ns() + DRAIN_NS;
    load->phase = DRAINING;
    int64_t open = 0;
    for (int index = 0; index < load->plan.connections; index++)
        open += load->connections[index].sent - load->connections[index].answered;
    while (open > 0) {
        if (now_ns() > until_ns)
            fail("%lld requests were not answered within %llu s", (long long)open, (unsigned long long)(DRAIN_NS / SECOND_NS));
        int count = wait_for_events(load->poll, events, EVENTS_MAX, until_ns);
        for (int index = 0; index < count; index++) {
            struct connection *connection = &load->connections[events[index].data.u32];
            if (events[index].events & ~(uint32_t)EPOLLOUT)
                open -= connection_receive(load, connection, now_ns());
            if (events[index].events & EPOLLOUT)
                connection_send(load, connection);
        }
    }
}

static void begin_counting(struct load *load) {
    struct counts *counts = &load->counts;
    counts->response_bytes_min = UINT64_MAX;
    counts->process_cpu_begin_ns = process_cpu_ns(load->plan.watched_process);
    counts->own_cpu_begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    counts->begin_ns = now_ns();
}

static void end_counting(struct load *load) {
    struct counts *counts = &load->counts;
    counts->end_ns = now_ns();
    counts->process_cpu_end_ns = process_cpu_ns(load->plan.watched_process);
    counts->own_cpu_end_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Every request is sent and stays open; a line says so, then the program waits to be ended from outside (standard input closes). */
static void hold(struct load *load) {
    for (int index = 0; index < load->plan.connections; index++)
        fill(load, &load->connections[index], now_ns());
    printf("held\n");
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

static void write_capture(const struct capture *capture, const char *file) {
    if (file == NULL || !capture->is_complete)
        return;
    FILE *out = fopen(file, "wb");
    if (out == NULL || fwrite(capture->bytes, 1, capture->size, out) != capture->size || fclose(out) != 0)
        fail("%s: %s", file, strerror(errno));
}

static void print_outcome(const struct load *load) {
    const struct counts *counts = &load->counts;
    printf("{\"answered\": %llu, \"answered_apart\": %llu, \"unsent\": %llu, ", (unsigned long long)counts->answered,
           (unsigned long long)counts->answered_apart, (unsigned long long)counts->unsent);
    printf("\"response_bytes\": %llu, \"response_bytes_min\": %llu, \"response_bytes_max\": %llu, ",
           (unsigned long long)counts->response_bytes, (unsigned long long)(counts->answered > 0 ? counts->response_bytes_min : 0),
           (unsigned long long)counts->response_bytes_max);
    printf("\"measured_ns\": %llu, \"process_cpu_ns\": %llu, \"own_cpu_ns\": %llu, \"latencies\": ",
           (unsigned long long)(counts->end_ns - counts->begin_ns),
           (unsigned long long)(counts->process_cpu_end_ns - counts->process_cpu_begin_ns),
           (unsigned long long)(counts->own_cpu_end_ns - counts->own_cpu_begin_ns));
    histogram_print(&counts->latencies, stdout);
    printf("}\n");
}

int main(int count, char **arguments) {
    static struct load load;
    load.plan = plan_of(count, arguments);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_TIMERSLACK, 1ul);
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    load.connections = calloc((size_t)load.plan.connections, sizeof *load.connections);
    if (load.connections == NULL)
        fail("out of memory");
    for (int index = 0; index < load.plan.connections; index++)
        connection_open(&load, index);
    if (load.plan.is_holding) {
        hold(&load);
        return 0;
    }
    load.phase = WARMING;
    if (load.plan.rate == 0)
        for (int index = 0; index < load.plan.connections; index++)
            fill(&load, &load.connections[index], now_ns());
    if (load.plan.warm_ns > 0)
        run_phase(&load, WARMING, now_ns() + load.plan.warm_ns);
    begin_counting(&load);
    run_phase(&load, MEASURING, load.counts.begin_ns + load.plan.measured_ns);
    end_counting(&load);
    drain(&load);
    print_outcome(&load);
    write_capture(&load.first, load.plan.first_response_file);
    write_capture(&load.last, load.plan.last_response_file);
    return 0;
}
