// Progress. See progress.h.
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(now_ns() - start_ns) * 1e-9;
}

void progress_init(progress *p)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    p->running = 0;
    atomic_init(&p->tokens, 0);
    p->started_ns = now_ns();
}

void progress_destroy(progress *p)
{
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
}

void progress_begin(progress *p)
{
    pthread_mutex_lock(&p->lock);
    p->running++;
    pthread_mutex_unlock(&p->lock);
}

void progress_push_token(progress *p)
{
    atomic_fetch_add_explicit(&p->tokens, 1, memory_order_relaxed);
}

void progress_end(progress *p)
{
    pthread_mutex_lock(&p->lock);
    if (--p->running == 0) {
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

double progress_wait(progress *p)
{
    bool shows = isatty(STDERR_FILENO);
    pthread_mutex_lock(&p->lock);
    while (p->running > 0) {
        uint64_t next_ns = now_ns() + 100000000u;
        struct timespec next = {.tv_sec = (time_t)(next_ns / 1000000000u), .tv_nsec = (long)(next_ns % 1000000000u)};
        pthread_cond_timedwait(&p->changed, &p->lock, &next);
        if (shows) {
            uint64_t tokens = atomic_load_explicit(&p->tokens, memory_order_relaxed);
            fprintf(stderr, "\r%llu tokens, %.0f a second\033[K", (unsigned long long)tokens,
                    (double)tokens / seconds_since(p->started_ns));
        }
    }
    pthread_mutex_unlock(&p->lock);
    if (shows) {
        fputs("\r\033[K", stderr);
    }
    return seconds_since(p->started_ns);
}
