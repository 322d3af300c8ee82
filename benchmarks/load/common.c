#define _GNU_SOURCE
#include "common.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        fail("a clock cannot be read: %s", strerror(errno));
    return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t process_cpu_ns(int process) {
    clockid_t clock;
    if (process == 0)
        return 0;
    if (clock_getcpuclockid(process, &clock) != 0)
        fail("there is no process %d", process);
    return clock_ns(clock);
}

uint64_t seconds(const char *text) { return (uint64_t)(atof(text) * 1e9); }

int32_t int32_at(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return (int32_t)be32toh(value);
}

int16_t int16_at(const uint8_t *bytes) { return (int16_t)(bytes[0] << 8 | bytes[1]); }

size_t receive_bytes(int handle, uint8_t *into, size_t room) {
    const ssize_t size = recv(handle, into, room, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (size <= 0)
        fail("the broker closed a connection%s%s", size < 0 ? ": " : "", size < 0 ? strerror(errno) : "");
    return (size_t)size;
}

const uint8_t *mapped_file(const char *file, uint64_t *size) {
    int handle = open(file, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (handle < 0 || fstat(handle, &status) != 0)
        fail("%s: %s", file, strerror(errno));
    const uint8_t *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, handle, 0);
    if (bytes == MAP_FAILED)
        fail("%s: %s", file, strerror(errno));
    close(handle);
    *size = (uint64_t)status.st_size;
    return bytes;
}

struct frame *read_frames(const char *file, int *count) {
    uint64_t end;
    const uint8_t *bytes = mapped_file(file, &end);
    struct frame *frames = NULL;
    *count = 0;
    for (uint64_t position = 0; position + 4 <= end;) {
        uint32_t size = (uint32_t)int32_at(bytes + position) + 4;
        if (size > end - position)
            fail("%s ends inside a frame", file);
        frames = realloc(frames, sizeof *frames * (size_t)(*count + 1));
        frames[(*count)++] = (struct frame){bytes + position, size};
        position += size;
    }
    if (*count == 0)
        fail("%s holds no frame", file);
    return frames;
}

int connected_socket(const char *host, const char *port) {
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *addresses;
    if (getaddrinfo(host, port, &wanted, &addresses) != 0)
        fail("the host %s is not known", host);
    int handle = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (handle < 0)
        fail("no socket: %s", strerror(errno));
    if (connect(handle, addresses->ai_addr, addresses->ai_addrlen) != 0)
        fail("no connection to %s:%s: %s", host, port, strerror(errno));
    freeaddrinfo(addresses);
    setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return handle;
}

int wait_for_events(int poll, struct epoll_event *events, int events_max, uint64_t until_ns) {
    uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(left / SECOND_NS), (long)(left % SECOND_NS)};
    int count = epoll_pwait2(poll, events, events_max, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        fail("epoll: %s", strerror(errno));
    return count < 0 ? 0 : count;
}
