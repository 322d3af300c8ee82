/* Latencies in nanoseconds, counted in buckets that are at most 1/128 of their value wide.
 *
 * Values below 128 have a bucket each. Above, every power of two is cut into 128 buckets, so that the bucket of a value is made of its
 * highest eight bits and their place. benchmarks/latency_histogram.py knows the same arithmetic and turns counts into percentiles. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { SUB_BUCKET_BITS = 7, SUB_BUCKETS = 1 << SUB_BUCKET_BITS, BUCKETS = (64 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS };

struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t total;
    uint64_t maximum;
};

static inline int bucket_of(uint64_t value) {
    if (value < SUB_BUCKETS)
        return (int)value;
    int shift = 63 - __builtin_clzll(value) - SUB_BUCKET_BITS;
    return (shift + 1) * SUB_BUCKETS + (int)((value >> shift) - SUB_BUCKETS);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value) {
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    if (value > histogram->maximum)
        histogram->maximum = value;
}

/* As JSON: {"maximum": ns, "counts": [[bucket, count], ...]}, only buckets that counted something. */
static inline void histogram_print(const struct histogram *histogram, FILE *out) {
    fprintf(out, "{\"maximum\": %llu, \"counts\": [", (unsigned long long)histogram->maximum);
    const char *separator = "";
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        if (histogram->counts[bucket] == 0)
            continue;
        fprintf(out, "%s[%d, %llu]", separator, bucket, (unsigned long long)histogram->counts[bucket]);
        separator = ", ";
    }
    fprintf(out, "]}");
}

#endif
