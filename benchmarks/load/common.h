/* What both programmes need: frames of a file, a socket, the clocks, and an end with a sentence. */
#ifndef COMMON_H
#define COMMON_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define SECOND_NS 1000000000ull

enum {
    NOWHERE = -1,
    LENGTH_BYTES = 4,
    /* In a request, counted from its length field. */
    CORRELATION_ID_POSITION = 8,
};

struct frame {
    const uint8_t *bytes;
    uint32_t size; /* its length field included */
};

__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

uint64_t clock_ns(clockid_t clock);
uint64_t now_ns(void);                       /* monotonic */
uint64_t process_cpu_ns(int process);        /* 0 of process 0 */
uint64_t seconds(const char *text);          /* in nanoseconds */
int32_t int32_at(const uint8_t *bytes);
int16_t int16_at(const uint8_t *bytes);

/* What a socket has, 0 if that is nothing now. The end of the connection ends the program. */
size_t receive_bytes(int handle, uint8_t *into, size_t room);

/* A whole file in memory, for as long as the process lives. */
const uint8_t *mapped_file(const char *file, uint64_t *size);
struct frame *read_frames(const char *file, int *count);

/* A connection that sends at once, and blocks. */
int connected_socket(const char *host, const char *port);

/* Wait for sockets, and no longer than to `until_ns`; how many are ready. */
struct epoll_event;
int wait_for_events(int poll, struct epoll_event *events, int events_max, uint64_t until_ns);

#endif
