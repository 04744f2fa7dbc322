// Handle table: generations, holds, type-stability, and the rules from several threads at once.
#include "table_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void table_live_handle_is_found(void **state)
{
    (void)state;
    fixture f;
    open_table(&f, 3);
    uint64_t id = add(&f, 42);
    object *o = (object *)fmi_table_find(&f.table, id);
    assert_non_null(o);
    assert_int_equal(o->content, 42);
    assert_int_equal(fmi_table_kill(&f.table, id), FM_OK);
    assert_int_equal(f.freed, 1);
    fmi_table_destroy(&f.table);
}

static void table_old_foreign_and_null_handles_are_refused(void **state)
{
    (void)state;
    fixture f, other;
    open_table(&f, 3);
    open_table(&other, 4);
    uint64_t id = add(&f, 1), foreign = add(&other, 1);
    fmi_slot *slot;
    assert_int_equal(fmi_table_hold(&f.table, 0, &slot), FM_ERROR_NULL_HANDLE);
    assert_int_equal(fmi_table_hold(&f.table, foreign, &slot), FM_ERROR_FOREIGN_HANDLE);
    assert_int_equal(fmi_table_kill(&f.table, id), FM_OK);
    assert_int_equal(fmi_table_hold(&f.table, id, &slot), FM_ERROR_STALE_HANDLE);
    assert_int_equal(fmi_table_kill(&f.table, id), FM_ERROR_STALE_HANDLE);
    // Indices that no chunk has, and every generation near a real one.
    for (uint64_t index = 0; index < 0xffffff; index += 4097) {
        assert_int_equal(fmi_table_kill(&f.table, (uint64_t)3 << 56 | index << 32 | 0xfffffff1u),
                         FM_ERROR_STALE_HANDLE);
    }
    assert_int_equal(fmi_table_kill(&f.table, id + 1), FM_ERROR_STALE_HANDLE);
    fmi_table_destroy(&f.table);
    fmi_table_destroy(&other.table);
    assert_int_equal(other.freed, 1); // what was alive is freed with the table
}

static void expect_sentence(fixture *f, uint64_t id, fm_status status, const char *part)
{
    assert_int_equal(fmi_table_refuse(&f->table, id), status);
    if (!strstr(fm_last_error(), part)) {
        fail_msg("'%s' does not say '%s'", fm_last_error(), part);
    }
}

// A number that is no handle is said to be none; a handle that was one is said to be dead.
static void table_invented_handle_is_told_from_a_stale_one(void **state)
{
    (void)state;
    fixture f;
    open_table(&f, 3);
    uint64_t first = add(&f, 1);
    assert_int_equal(fmi_table_kill(&f.table, first), FM_OK);
    uint64_t second = add(&f, 2); // the same slot, one life later
    assert_int_equal(fmi_id_index(first), fmi_id_index(second));
    expect_sentence(&f, first, FM_ERROR_STALE_HANDLE, "has been destroyed");
    expect_sentence(&f, second + 2, FM_ERROR_STALE_HANDLE, "never given it out"); // the life after
    expect_sentence(&f, first - 2, FM_ERROR_STALE_HANDLE, "never given it out");  // and the one before the first
    expect_sentence(&f, first + 1, FM_ERROR_STALE_HANDLE, "never given it out");  // no handle is even
    expect_sentence(&f, first + ((uint64_t)1 << 32), FM_ERROR_STALE_HANDLE,
                    "never given it out"); // a slot not yet used
    expect_sentence(&f, (uint64_t)3 << 56 | (uint64_t)0xffffff << 32 | 1, FM_ERROR_STALE_HANDLE, "never given it out");
    expect_sentence(&f, 12345, FM_ERROR_FOREIGN_HANDLE, "no device has ever given it out");
    expect_sentence(&f, (uint64_t)4 << 56 | 1, FM_ERROR_FOREIGN_HANDLE, "another device");
    assert_int_equal(fmi_table_kill(&f.table, second), FM_OK);
    expect_sentence(&f, second, FM_ERROR_STALE_HANDLE, "has been destroyed");
    expect_sentence(&f, first, FM_ERROR_STALE_HANDLE, "has been destroyed");
    fmi_table_destroy(&f.table);
}

// HOLD-1, HANDLE-3: destroying leaves the object to its holders; the last one frees it, once.
static void table_destroyed_object_lives_until_last_release(void **state)
{
    (void)state;
    fixture f;
    open_table(&f, 1);
    uint64_t id = add(&f, 7);
    fmi_slot *first, *second;
    assert_int_equal(fmi_table_hold(&f.table, id, &first), FM_OK);
    assert_int_equal(fmi_table_hold(&f.table, id, &second), FM_OK);
    assert_int_equal(fmi_table_kill(&f.table, id), FM_OK);
    assert_null(fmi_table_find(&f.table, id)); // the handle is dead at once
    fmi_table_release(&f.table, first);
    assert_int_equal(f.freed, 0);
    assert_int_equal(((object *)second)->content, 7);
    fmi_table_release(&f.table, second);
    assert_int_equal(f.freed, 1);
    fmi_table_destroy(&f.table);
    assert_int_equal(f.freed, 1);
}

// HANDLE-1: a recycled slot has another generation, so no old handle names the new object.
static void table_recycled_slot_refuses_old_handles(void **state)
{
    (void)state;
    fixture f;
    open_table(&f, 1);
    enum { ROUNDS = 1000 };
    static uint64_t old[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        old[i] = add(&f, i);
        for (int k = 0; k < i; k += 97) {
            assert_null(fmi_table_find(&f.table, old[k]));
        }
        assert_int_equal(fmi_table_kill(&f.table, old[i]), FM_OK);
    }
    assert_int_equal(f.table.slot_count, FMI_TABLE_CHUNK_SLOTS); // slots were reused, not added
    fmi_table_destroy(&f.table);
}

static void table_many_objects_have_distinct_slots(void **state)
{
    (void)state;
    fixture f;
    open_table(&f, 9);
    enum { COUNT = 3000 };
    static uint64_t ids[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ids[i] = add(&f, i);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(((object *)fmi_table_find(&f.table, ids[i]))->content, i);
    }
    fmi_table_destroy(&f.table);
    assert_int_equal(f.freed, COUNT);
}

// HANDLE-4: an object without a handle: no id finds it, its holders do, and the last of them frees it.
static void table_nameless_object_is_found_by_no_id(void **state)
{
    (void)state;
    fixture f;
    open_table(&f, 5);
    uint64_t before = add(&f, 1);
    assert_int_equal(fmi_table_kill(&f.table, before), FM_OK);
    fmi_slot *slot = fmi_table_reserve(&f.table);
    assert_int_equal(slot->index, fmi_id_index(before));
    fmi_table_publish_nameless(&f.table, slot);
    assert_int_equal(f.table.alive, 1);
    assert_false(fmi_slot_is_alive(slot));
    fmi_slot *held;
    for (uint32_t i = 0; i < 100; i++) { // of earlier generations, of this one, and of later ones
        uint64_t id = (before & ~UINT64_C(0xffffffff)) | (uint32_t)(fmi_id_generation(before) - 50 + i);
        assert_null(fmi_table_find(&f.table, id));
        assert_false(fmi_table_try_hold(&f.table, id, &held));
        assert_int_equal(fmi_table_kill(&f.table, id), FM_ERROR_STALE_HANDLE);
    }
    fmi_table_hold_more(slot);
    fmi_table_release(&f.table, slot);
    assert_int_equal(f.freed, 1);
    fmi_table_release(&f.table, slot);
    assert_int_equal(f.freed, 2);
    uint64_t after = add(&f, 2);
    assert_ptr_equal(fmi_table_find(&f.table, after), slot);
    assert_int_equal(fmi_table_kill(&f.table, before), FM_ERROR_STALE_HANDLE);
    fmi_table_destroy(&f.table);
}

static void *hold_and_release(void *context)
{
    race *r = context;
    intptr_t bad = 0;
    while (!atomic_load(&r->stop)) {
        uint64_t id = atomic_load(&r->id);
        fmi_slot *slot;
        if (fmi_table_hold(&r->f.table, id, &slot) == FM_OK) {
            bad += !is_of(slot, id); // whatever the destroyer does
            fmi_table_release(&r->f.table, slot);
        }
    }
    return (void *)bad;
}

// HANDLE-2: holds, destruction and recycling race; a hold is always on the object of its own generation.
static void table_holds_race_with_destroy_and_stay_exact(void **state)
{
    (void)state;
    race r = {.stop = 0};
    open_table(&r.f, 5);
    run_race(&r, hold_and_release, 3);
    fmi_table_destroy(&r.f.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_live_handle_is_found),
        cmocka_unit_test(table_old_foreign_and_null_handles_are_refused),
        cmocka_unit_test(table_invented_handle_is_told_from_a_stale_one),
        cmocka_unit_test(table_destroyed_object_lives_until_last_release),
        cmocka_unit_test(table_recycled_slot_refuses_old_handles),
        cmocka_unit_test(table_many_objects_have_distinct_slots),
        cmocka_unit_test(table_nameless_object_is_found_by_no_id),
        cmocka_unit_test(table_holds_race_with_destroy_and_stay_exact),
    };
    return cmocka_run_group_tests_name("base_table", tests, NULL, NULL);
}
