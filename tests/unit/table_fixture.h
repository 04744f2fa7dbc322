// A handle table of small objects that counts what it frees.
#ifndef FERMATA_TESTS_TABLE_FIXTURE_H
#define FERMATA_TESTS_TABLE_FIXTURE_H

#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct object {
    fmi_slot slot;
    int content;
} object;

typedef struct fixture {
    fmi_table table;
    _Atomic(int) freed;
} fixture;

static void count_free(void *user, fmi_slot *slot)
{
    (void)slot;
    atomic_fetch_add(&((fixture *)user)->freed, 1);
}

static void open_table(fixture *f, uint8_t tag)
{
    f->freed = 0;
    assert_int_equal(fmi_table_init(&f->table, sizeof(object), "object", tag, tag, count_free, f), FM_OK);
}

static uint64_t add(fixture *f, int content)
{
    object *o = (object *)fmi_table_reserve(&f->table);
    assert_non_null(o);
    o->content = content;
    return fmi_table_publish(&f->table, &o->slot);
}

#endif
