// A variant cache on a backend that makes nothing and counts what is given back. Each test program makes its variants itself.
// Included by the test programs alone.
#ifndef FMI_TESTS_CACHE_FIXTURE_H
#define FMI_TESTS_CACHE_FIXTURE_H

#include "variant/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fmi_kernel_binary {
    int value;
};

struct fmi_backend {
    _Atomic(int) made;
    _Atomic(int) destroyed;
};

static inline void destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    atomic_fetch_add(&backend->destroyed, 1);
    binary->value = -1;
    free(binary);
}

static const fmi_backend_ops ops = {.prefix = "test", .destroy_kernel = destroy_kernel};
static const fmi_backend_caps caps = {.description = "tester"};

typedef struct fixture {
    fmi_backend backend;
    fmi_cache cache;
} fixture;

static inline void set_up(fixture *f, uint64_t limit_count, uint64_t limit_bytes, const fmi_ablations *ablations)
{
    memset(f, 0, sizeof *f);
    const fmi_cache_info info = {.ops = &ops,
                                 .backend = &f->backend,
                                 .caps = &caps,
                                 .ablations = ablations,
                                 .limit_count = limit_count,
                                 .limit_bytes = limit_bytes,
                                 .tag = 1,
                                 .serial = 1};
    assert_int_equal(fmi_cache_init(&f->cache, &info), FM_OK);
}

static inline void tear_down(fixture *f)
{
    fmi_cache_destroy(&f->cache);
    assert_int_equal(f->backend.made, f->backend.destroyed);
}

#endif
