// Soaking. See soak.h.
#include "soak.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*u %llu", &pages) != 1) {
        pages = 0;
    }
    if (file) {
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void soak_begin(soak *s, uint32_t seconds)
{
    *s = (soak){.start_ns = now_ns(), .length_ns = (uint64_t)seconds * 1000000000u};
}

bool soak_goes_on(soak *s)
{
    uint64_t elapsed_ns = now_ns() - s->start_ns;
    s->rounds++;
    s->end_bytes = resident_bytes();
    if (s->warm_bytes == 0 && elapsed_ns >= s->length_ns / 5) {
        s->warm_bytes = s->end_bytes;
    }
    if (s->length_ns > 0) {
        fprintf(stderr, "soak: %.0f s, %u rounds, %.2f MiB resident\n", (double)elapsed_ns * 1e-9, s->rounds,
                (double)s->end_bytes / (1 << 20));
    }
    return elapsed_ns < s->length_ns;
}
