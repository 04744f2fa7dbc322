// Time and its spread: the clock and order statistics of samples. Header only; knows no device. Any thread.
#ifndef FERMATA_BENCH_TIMING_H
#define FERMATA_BENCH_TIMING_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

// The middle of many samples and how far they lie apart.
typedef struct spread {
    double median;
    double p10;
    double p90;
    double q1; // the quartiles, between two samples where need be
    double q3;
} spread;

// Nanoseconds on a clock that never goes back.
static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline int compare_samples(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The sample at `share` (0 to 1) of `count` sorted ones, between its two neighbours where need be.
static inline double sample_at(const double *sorted, uint32_t count, double share)
{
    double at = share * (count - 1);
    uint32_t below = (uint32_t)at;
    uint32_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

// Sorts `count` (1 or more) samples in place and takes their order statistics.
static inline spread spread_of(double *samples, uint32_t count)
{
    qsort(samples, count, sizeof *samples, compare_samples);
    return (spread){
        .median = count % 2 ? samples[count / 2] : (samples[count / 2 - 1] + samples[count / 2]) / 2,
        .p10 = samples[count / 10],
        .p90 = samples[count - 1 - count / 10],
        .q1 = sample_at(samples, count, 0.25),
        .q3 = sample_at(samples, count, 0.75),
    };
}

static inline spread spread_scaled(spread s, double factor)
{
    return (spread){s.median * factor, s.p10 * factor, s.p90 * factor, s.q1 * factor, s.q3 * factor};
}

#endif
