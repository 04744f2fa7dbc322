// Soaking. See soak.h.
#include "soak.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static soak_memory look_at_memory(void)
{
    soak_memory seen = {0};
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*u %llu", &pages) == 1) {
        seen.resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    if (file) {
        fclose(file);
    }
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    struct mallinfo2 heap = mallinfo2();
    seen.heap_bytes = heap.uordblks + heap.hblkhd;
#endif
    return seen;
}

void soak_begin(soak *s, uint32_t seconds)
{
    *s = (soak){.start_ns = now_ns(), .length_ns = (uint64_t)seconds * 1000000000u};
}

bool soak_goes_on(soak *s)
{
    uint64_t elapsed_ns = now_ns() - s->start_ns;
    s->rounds++;
    s->end = look_at_memory();
    if (s->warm.resident_bytes == 0 && elapsed_ns >= s->length_ns / 5) {
        s->warm = s->end;
    }
    if (s->length_ns > 0) {
        fprintf(stderr, "soak: %.0f s, %u rounds, %.2f MiB resident, %.2f MiB of heap in use\n",
                (double)elapsed_ns * 1e-9, s->rounds, (double)s->end.resident_bytes / (1 << 20),
                (double)s->end.heap_bytes / (1 << 20));
    }
    return elapsed_ns < s->length_ns;
}
