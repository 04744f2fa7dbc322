// Shares of holds: an object lives exactly as long as its handle or a user, by whichever way each of them came.
#include "table_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static void open_shared(fixture *f, uint8_t tag)
{
    open_table(f, tag);
    assert_int_equal(fmi_table_share(&f->table), FM_OK);
}

static fmi_slot *hold_by(fixture *f, uint32_t share, uint64_t id)
{
    fmi_slot *slot = NULL;
    assert_int_equal(fmi_table_hold_by(&f->table, share, id, &slot), FM_OK);
    assert_int_equal(slot->index, fmi_id_index(id));
    return slot;
}

// What they are for: once a share has its hold, its users leave the slot's word alone.
static void shares_users_do_not_touch_the_word(void **state)
{
    (void)state;
    fixture f;
    open_shared(&f, 1);
    uint64_t id = add(&f, 7);
    fmi_slot *slot = hold_by(&f, 3, id);
    uint64_t word = atomic_load(&slot->word);
    hold_by(&f, 3, id);
    assert_true(atomic_load(&slot->word) == word);
    fmi_table_release_by(&f.table, 3, slot);
    fmi_table_release_by(&f.table, 3, slot);
    assert_true(atomic_load(&slot->word) == word);
    hold_by(&f, 3, id);
    assert_true(atomic_load(&slot->word) == word);
    fmi_table_release_by(&f.table, 3, slot);
    assert_int_equal(f.freed, 0);
    fmi_table_destroy(&f.table);
    assert_int_equal(f.freed, 1);
}

// HOLD-1: a share's hold that nobody uses keeps nothing alive.
static void shares_unused_object_goes_with_its_handle(void **state)
{
    (void)state;
    fixture f;
    open_shared(&f, 1);
    uint64_t id = add(&f, 7);
    for (uint32_t share = 0; share < FMI_TABLE_SHARES; share++) {
        fmi_table_release_by(&f.table, share, hold_by(&f, share, id));
    }
    assert_int_equal(f.freed, 0);
    assert_int_equal(fmi_table_kill(&f.table, id), FM_OK);
    assert_int_equal(f.freed, 1);
    fmi_table_destroy(&f.table);
}

static void shares_last_user_of_a_dead_handle_frees(void **state)
{
    (void)state;
    fixture f;
    open_shared(&f, 1);
    uint64_t id = add(&f, 7);
    fmi_slot *slot = hold_by(&f, 0, id);
    hold_by(&f, 0, id);
    hold_by(&f, 15, id);
    assert_int_equal(fmi_table_kill(&f.table, id), FM_OK);
    fmi_table_release_by(&f.table, 0, slot);
    fmi_table_release_by(&f.table, 15, slot);
    assert_int_equal(f.freed, 0);
    assert_int_equal(((object *)slot)->content, 7);
    fmi_table_release_by(&f.table, 0, slot);
    assert_int_equal(f.freed, 1);
    fmi_table_destroy(&f.table);
}

// A share that is in use gives no further hold on an object whose handle is dead, nor to the handle of the object's predecessor.
static void shares_refuse_dead_handles(void **state)
{
    (void)state;
    fixture f;
    open_shared(&f, 1);
    uint64_t first = add(&f, 1);
    assert_int_equal(fmi_table_kill(&f.table, first), FM_OK);
    uint64_t second = add(&f, 2);
    assert_int_equal(fmi_id_index(first), fmi_id_index(second));
    fmi_slot *slot = hold_by(&f, 4, second), *unused;
    assert_int_equal(fmi_table_hold_by(&f.table, 4, first, &unused), FM_ERROR_STALE_HANDLE);
    assert_int_equal(fmi_table_kill(&f.table, second), FM_OK);
    assert_int_equal(fmi_table_hold_by(&f.table, 4, second, &unused), FM_ERROR_STALE_HANDLE);
    assert_false(fmi_table_try_hold_by(&f.table, 4, second, &unused));
    assert_int_equal(f.freed, 1);
    fmi_table_release_by(&f.table, 4, slot);
    assert_int_equal(f.freed, 2);
    fmi_table_destroy(&f.table);
}

// A hold in the word may be dropped by way of a share, whether that has users or not.
static void shares_take_holds_of_another_way_back(void **state)
{
    (void)state;
    fixture f;
    open_shared(&f, 1);
    uint64_t id = add(&f, 7);
    fmi_slot *slot, *other;
    assert_int_equal(fmi_table_hold(&f.table, id, &slot), FM_OK);
    fmi_table_release_by(&f.table, 2, slot); // the share has no hold
    fmi_table_release_by(&f.table, 2, hold_by(&f, 2, id));
    assert_int_equal(fmi_table_hold(&f.table, id, &slot), FM_OK);
    fmi_table_release_by(&f.table, 2, slot); // it has one without users
    assert_int_equal(fmi_table_hold(&f.table, id, &slot), FM_OK);
    other = hold_by(&f, 2, id);
    fmi_table_release_by(&f.table, 2, slot); // it has one with a user, who is not forgotten
    assert_int_equal(fmi_table_kill(&f.table, id), FM_OK);
    assert_int_equal(f.freed, 0);
    fmi_table_release_by(&f.table, 2, other);
    assert_int_equal(f.freed, 1);
    fmi_table_destroy(&f.table);
}

// Objects beyond the shared slots, holds without a share, and tables without any are held in the word.
static void shares_are_not_needed(void **state)
{
    (void)state;
    fixture f, without;
    open_shared(&f, 1);
    open_table(&without, 2);
    uint64_t first = add(&f, 0), far = 0, near = add(&without, 1);
    while (fmi_id_index(far) < FMI_SHARED_SLOTS) {
        far = add(&f, 1);
    }
    fmi_slot *slots[] = {hold_by(&f, 0, far),
                         hold_by(&f, 1, first),
                         hold_by(&f, FMI_NO_SHARE, first),
                         hold_by(&f, FMI_NO_SHARE, first),
                         hold_by(&without, 1, near),
                         hold_by(&without, FMI_NO_SHARE, near)};
    assert_int_equal((uint32_t)atomic_load(&slots[0]->word), 2);
    assert_int_equal((uint32_t)atomic_load(&slots[1]->word), 4); // the share's first hold is one, too
    assert_int_equal((uint32_t)atomic_load(&slots[4]->word), 3);
    assert_int_equal(fmi_table_kill(&f.table, far), FM_OK);
    assert_int_equal(fmi_table_kill(&f.table, first), FM_OK);
    assert_int_equal(fmi_table_kill(&without.table, near), FM_OK);
    fmi_table_release_by(&f.table, FMI_NO_SHARE, slots[2]);
    fmi_table_release_by(&f.table, FMI_NO_SHARE, slots[3]);
    fmi_table_release_by(&without.table, FMI_NO_SHARE, slots[5]);
    assert_int_equal(f.freed + without.freed, 0);
    fmi_table_release_by(&f.table, 0, slots[0]);
    fmi_table_release_by(&f.table, 1, slots[1]);
    fmi_table_release_by(&without.table, 1, slots[4]);
    assert_int_equal(f.freed, 2);
    assert_int_equal(without.freed, 1);
    fmi_table_destroy(&f.table);
    fmi_table_destroy(&without.table);
}

static void *hold_and_release(void *context)
{
    race *r = context;
    uint32_t share = atomic_fetch_add(&r->holders, 1) / 2; // two threads a share
    intptr_t bad = 0;
    while (!atomic_load(&r->stop)) {
        uint64_t id = atomic_load(&r->id);
        fmi_slot *slot;
        if (fmi_table_try_hold_by(&r->f.table, share, id, &slot)) {
            bad += !is_of(slot, id);
            fmi_table_release_by(&r->f.table, share, slot);
        }
    }
    return (void *)bad;
}

// HANDLE-2: holds by way of shares, destruction and recycling race; a hold is always on the object of its own generation, and none is left.
static void shares_race_with_destroy_and_stay_exact(void **state)
{
    (void)state;
    race r = {.stop = 0};
    open_shared(&r.f, 5);
    run_race(&r, hold_and_release, 4);
    fmi_table_destroy(&r.f.table);
}

enum { PAIR_ROUNDS = 50000 };

typedef struct pair {
    fixture f;
    _Atomic(uint64_t) id;   // changes each round
    _Atomic(uint32_t) done; // rounds that the second thread is through with
} pair;

// Looks without a pause, so that both come at the same time, but not for long: there may be one processor.
#define WAIT_WHILE(condition)                                                                                          \
    for (int look = 0; condition; look++) {                                                                            \
        if (look > 1000) {                                                                                             \
            sched_yield();                                                                                             \
        }                                                                                                              \
    }

static void come_twice(pair *p, uint64_t id)
{
    fmi_slot *slot;
    for (int i = 0; i < 2; i++) {
        if (fmi_table_try_hold_by(&p->f.table, 0, id, &slot)) {
            fmi_table_release_by(&p->f.table, 0, slot);
        }
    }
}

static void *come_along(void *context)
{
    pair *p = context;
    for (uint64_t last = 0; atomic_load(&p->done) < PAIR_ROUNDS; atomic_fetch_add(&p->done, 1)) {
        WAIT_WHILE(atomic_load(&p->id) == last);
        last = atomic_load(&p->id);
        come_twice(p, last);
    }
    return NULL;
}

// Two threads that are a share's first users together are both counted, and once.
static void shares_count_users_that_come_at_once(void **state)
{
    (void)state;
    pair p = {.id = 0};
    open_shared(&p.f, 6);
    pthread_t thread;
    pthread_create(&thread, NULL, come_along, &p);
    for (uint32_t round = 1; round <= PAIR_ROUNDS; round++) {
        uint64_t id = add(&p.f, 1);
        atomic_store(&p.id, id);
        come_twice(&p, id);
        WAIT_WHILE(atomic_load(&p.done) < round);
        assert_int_equal(fmi_table_kill(&p.f.table, id), FM_OK);
        assert_int_equal(p.f.freed, round);
    }
    pthread_join(thread, NULL);
    fmi_table_destroy(&p.f.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_users_do_not_touch_the_word),
        cmocka_unit_test(shares_unused_object_goes_with_its_handle),
        cmocka_unit_test(shares_last_user_of_a_dead_handle_frees),
        cmocka_unit_test(shares_refuse_dead_handles),
        cmocka_unit_test(shares_take_holds_of_another_way_back),
        cmocka_unit_test(shares_are_not_needed),
        cmocka_unit_test(shares_race_with_destroy_and_stay_exact),
        cmocka_unit_test(shares_count_users_that_come_at_once),
    };
    return cmocka_run_group_tests_name("base_shares", tests, NULL, NULL);
}
