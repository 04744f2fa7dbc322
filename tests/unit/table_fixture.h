// A handle table of small objects that counts what it frees.
#ifndef FERMATA_TESTS_TABLE_FIXTURE_H
#define FERMATA_TESTS_TABLE_FIXTURE_H

#include "base/table.h"

#include <pthread.h>
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

enum { MOST_HOLDERS = 4, RACE_ROUNDS = 20000 };

// Threads that hold what is destroyed and recycled meanwhile. Each object's content is its generation.
typedef struct race {
    fixture f;
    _Atomic(uint64_t) id; // the handle of the moment
    _Atomic(uint32_t) holders;
    _Atomic(int) stop;
} race;

// Is the object of that slot the one that the handle was given out for?
static inline bool is_of(const fmi_slot *slot, uint64_t id)
{
    return ((const object *)slot)->content == (int)(uint32_t)fmi_id_generation(id);
}

// Runs `count` threads, each of which returns how often it held a wrong object, and makes and destroys objects beside them. All are freed in the end.
static inline void run_race(race *r, void *(*hold)(void *), int count)
{
    pthread_t threads[MOST_HOLDERS];
    assert_true(count <= MOST_HOLDERS);
    for (int i = 0; i < count; i++) {
        pthread_create(&threads[i], NULL, hold, r);
    }
    for (int i = 0; i < RACE_ROUNDS; i++) {
        object *o = (object *)fmi_table_reserve(&r->f.table);
        o->content = (int)((uint32_t)(atomic_load(&o->slot.word) >> 32) + 1);
        uint64_t id = fmi_table_publish(&r->f.table, &o->slot);
        atomic_store(&r->id, id);
        for (int spin = 0; spin < i % 256; spin++) { // now and then somebody has it by then
            (void)atomic_load(&r->id);
        }
        assert_int_equal(fmi_table_kill(&r->f.table, id), FM_OK);
    }
    atomic_store(&r->stop, 1);
    for (int i = 0; i < count; i++) {
        void *bad;
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(r->f.freed, RACE_ROUNDS);
}

#endif
