// Contender `fermata`: one stream a thread, one point a slot, the device's default settings. See contender.h.
// It has no wait for the whole device, and none is needed: who waits for all waits for the newest point of every thread.
#include "contender.h"
#include "watch.h"

#include <fermata/fermata.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t timeout_ns = WATCH_WAIT_S * UINT64_C(1000000000);

typedef struct fermata_slot {
    fm_buffer counters;
    fm_buffer c; // null: this slot runs no product
    fm_point done;
} fermata_slot;

// A thread's own, on cache lines of its own.
typedef struct fermata_thread {
    _Alignas(128) fm_stream stream;
    _Atomic(uint64_t) newest; // value of the newest commit; relaxed: a waiter may miss what is committed while it looks
    fermata_slot slots[WORK_SLOTS];
} fermata_thread;

typedef struct fermata_contender {
    contender base;
    fm_device *device;
    fm_stream stream; // of clear and fetch
    fm_kernel spin;
    fm_kernel matmul;
    fm_buffer a, b;
    fermata_thread threads[WORK_THREADS];
} fermata_contender;

static fermata_contender *fermata_of(contender *self)
{
    return (fermata_contender *)(void *)self; // the base is its first member
}

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

static bool submit(contender *self, uint32_t thread, uint32_t slot, work_kind kind, uint32_t batch)
{
    fermata_contender *f = fermata_of(self);
    fermata_thread *t = &f->threads[thread];
    fermata_slot *s = &t->slots[slot];
    const uint32_t constant = kind == WORK_MATMUL ? self->work->n : self->work->iterations[kind];
    const fm_binding spin[] = {{.buffer = s->counters}};
    const fm_binding matmul[] = {{.buffer = f->a}, {.buffer = f->b}, {.buffer = s->c}, {.buffer = s->counters}};
    const fm_dispatch_info info = {
        .kernel = kind == WORK_MATMUL ? f->matmul : f->spin,
        .group_count = {work_groups(self->work, kind), 1, 1},
        .bindings = kind == WORK_MATMUL ? matmul : spin,
        .binding_count = kind == WORK_MATMUL ? 4 : 1,
        .constants = &constant,
        .constants_size_bytes = sizeof constant,
    };
    fm_commands *commands = NULL;
    fm_status status = fm_commands_begin(f->device, NULL, &commands);
    for (uint32_t i = 0; i < batch && status == FM_OK; i++) {
        status = fm_dispatch(commands, &info);
    }
    if (status == FM_OK) {
        status = fm_commit(&commands, &(fm_commit_info){.stream = t->stream}, &s->done);
    }
    if (!good(status)) {
        (void)fm_commands_cancel(&commands);
        return false;
    }
    atomic_store_explicit(&t->newest, s->done.value, memory_order_relaxed);
    return true;
}

static bool wait_for(fermata_contender *f, fm_point point)
{
    fm_status status = fm_point_wait(f->device, point, timeout_ns);
    if (status == FM_TIMEOUT) {
        watch_give_up("fm_point_wait ran out of time");
    }
    return good(status);
}

static bool wait(contender *self, uint32_t thread, uint32_t slot)
{
    fermata_contender *f = fermata_of(self);
    return wait_for(f, f->threads[thread].slots[slot].done);
}

static bool wait_all(contender *self, uint32_t thread, uint32_t threads)
{
    (void)thread;
    fermata_contender *f = fermata_of(self);
    bool fine = true;
    for (uint32_t i = 0; i < threads && fine; i++) {
        fermata_thread *t = &f->threads[i];
        uint64_t newest = atomic_load_explicit(&t->newest, memory_order_relaxed);
        fine = newest == 0 || wait_for(f, (fm_point){t->stream, newest});
    }
    return fine;
}

static bool clear(contender *self, uint32_t thread, uint32_t slot)
{
    fermata_contender *f = fermata_of(self);
    const fermata_slot *s = &f->threads[thread].slots[slot];
    fm_commands *commands = NULL;
    fm_point done;
    bool fine = good(fm_commands_begin(f->device, NULL, &commands)) &&
                good(fm_fill(commands, s->counters, 0, FM_WHOLE_SIZE, 0)) &&
                (s->c.id == 0 || good(fm_fill(commands, s->c, 0, FM_WHOLE_SIZE, 0))) &&
                good(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &done)) &&
                good(fm_point_wait(f->device, done, timeout_ns));
    return good(fm_commands_cancel(&commands)) && fine; // of a list that was committed nothing is left to cancel
}

static bool fetch(contender *self, uint32_t thread, uint32_t slot, uint32_t *counters, float *c)
{
    fermata_contender *f = fermata_of(self);
    const fermata_slot *s = &f->threads[thread].slots[slot];
    return good(fm_buffer_read(f->device, f->stream, s->counters, 0, work_counter_bytes(self->work), counters,
                               timeout_ns)) &&
           (!c || good(fm_buffer_read(f->device, f->stream, s->c, 0, work_matrix_bytes(self->work), c, timeout_ns)));
}

static void count(contender *self, contender_counts *out)
{
    fm_device_stats stats = {0};
    (void)good(fm_device_get_stats(fermata_of(self)->device, &stats));
    *out = (contender_counts){stats.commits, stats.submissions, stats.dispatches, stats.barriers};
}

static void describe(contender *self, uint32_t thread, uint32_t slot, char *text, size_t size)
{
    fermata_contender *f = fermata_of(self);
    fm_point point = f->threads[thread].slots[slot].done;
    fm_device_stats stats = {0};
    (void)fm_device_get_stats(f->device, &stats); // before the poll, which may end what hangs
    snprintf(text, size, "%llu commits, %llu submissions, %llu lists in flight; value %llu of its stream: %s",
             (unsigned long long)stats.commits, (unsigned long long)stats.submissions,
             (unsigned long long)stats.lists_in_flight, (unsigned long long)point.value,
             fm_status_name(fm_point_poll(f->device, point)));
}

static void close_contender(contender *self)
{
    fermata_contender *f = fermata_of(self);
    (void)good(fm_device_close(&f->device, timeout_ns)); // takes all that belongs to it along
    free(f);
}

static const contender_ops fermata_ops = {NULL, submit, wait, wait_all, clear, fetch, count, describe, close_contender};

static bool create_kernels(fermata_contender *f)
{
    const fm_kernel_info spin = {
        .name = "bench_spin",
        .code = WORK_SPIN_BODY,
        .params = (fm_kernel_param[]){{"counters", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}},
        .param_count = 1,
        .constants = (fm_kernel_constant[]){{"iterations", FM_DTYPE_U32}},
        .constant_count = 1,
        .group_size = {WORK_GROUP, 1, 1},
    };
    const fm_kernel_info matmul = {
        .name = "bench_matmul",
        .code = WORK_MATMUL_BODY,
        .params = (fm_kernel_param[]){{"a", FM_DTYPE_F32, FM_ACCESS_READ},
                                      {"b", FM_DTYPE_F32, FM_ACCESS_READ},
                                      {"c", FM_DTYPE_F32, FM_ACCESS_WRITE},
                                      {"counters", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}},
        .param_count = 4,
        .constants = (fm_kernel_constant[]){{"n", FM_DTYPE_U32}},
        .constant_count = 1,
        .group_size = {WORK_GROUP, 1, 1},
    };
    return good(fm_kernel_create(f->device, &spin, &f->spin)) && good(fm_kernel_create(f->device, &matmul, &f->matmul));
}

static bool create_buffers(fermata_contender *f)
{
    const workload *work = f->base.work;
    const fm_buffer_info counters = {.size_bytes = work_counter_bytes(work)};
    const fm_buffer_info matrix = {.size_bytes = work_matrix_bytes(work)};
    bool fine = good(fm_buffer_create(f->device, &matrix, &f->a)) &&
                good(fm_buffer_create(f->device, &matrix, &f->b)) &&
                good(fm_buffer_write(f->device, f->stream, f->a, 0, matrix.size_bytes, work->a, timeout_ns)) &&
                good(fm_buffer_write(f->device, f->stream, f->b, 0, matrix.size_bytes, work->b, timeout_ns));
    for (uint32_t t = 0; t < WORK_THREADS && fine; t++) {
        fine = good(fm_stream_create(f->device, NULL, &f->threads[t].stream));
        for (uint32_t i = 0; i < WORK_SLOTS && fine; i++) {
            fermata_slot *s = &f->threads[t].slots[i];
            fine = good(fm_buffer_create(f->device, &counters, &s->counters)) &&
                   (i >= WORK_MATRICES || good(fm_buffer_create(f->device, &matrix, &s->c)));
        }
    }
    return fine;
}

contender *contender_open_fermata(fm_device *device, const workload *work)
{
    fermata_contender *f = aligned_alloc(_Alignof(fermata_contender), sizeof *f);
    if (!f) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        (void)good(fm_device_close(&device, timeout_ns));
        return NULL;
    }
    memset(f, 0, sizeof *f);
    f->base = (contender){&fermata_ops, "fermata", "one stream a thread", work};
    f->device = device;
    if (!good(fm_stream_create(f->device, NULL, &f->stream)) || !create_kernels(f) || !create_buffers(f)) {
        close_contender(&f->base);
        return NULL;
    }
    return &f->base;
}
