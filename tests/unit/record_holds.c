// Hold set of a list: one hold per distinct buffer however often it is bound (HOLD-3), let go exactly once, and nothing kept from
// one list to the next. Runs on a fake backend: only recording happens.
#include "record/recorder.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static fm_status allocate(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    (void)backend;
    void *memory = malloc((size_t)size_bytes);
    *out = (fmi_block){.native = memory, .mapped = memory, .size_bytes = size_bytes, .kind = kind};
    return memory ? FM_OK : FM_ERROR_OUT_OF_MEMORY;
}

static void release_block(fmi_backend *backend, fmi_block *block)
{
    (void)backend;
    free(block->native);
}

static const fmi_backend_ops ops = {.prefix = "fake", .allocate_block = allocate, .free_block = release_block};

typedef struct fixture {
    fmi_pool pool;
    fmi_table buffers;
    fmi_table kernels;
    fmi_backend_caps caps;
    fmi_record_room room;
} fixture;

static void no_free(void *user, fmi_slot *slot)
{
    (void)user;
    (void)slot;
}

static void set_up(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->caps = (fmi_backend_caps){.max_block_bytes = (uint64_t)1 << 40, .binding_alignment_bytes = 16};
    const fmi_pool_settings settings = {
        .limit_bytes = (uint64_t)1 << 34, .cache_bytes = 1 << 20, .block_size_bytes = 1 << 20};
    fmi_pool_init(&f->pool, &ops, NULL, &f->caps, &settings);
    assert_int_equal(fmi_table_init(&f->buffers, sizeof(fmi_buffer), "buffer", 1, 1, fmi_buffer_free, &f->pool), FM_OK);
    assert_int_equal(fmi_table_init(&f->kernels, sizeof(fmi_kernel_object), "kernel", 1, 1, no_free, NULL), FM_OK);
    assert_int_equal(fmi_table_share(&f->kernels), FM_OK);
    f->room = (fmi_record_room){.buffers = &f->buffers, .kernels = &f->kernels, .pool = &f->pool, .caps = &f->caps};
    fmi_record_room_init(&f->room);
}

static void tear_down(fixture *f)
{
    fmi_record_room_destroy(&f->room);
    assert_int_equal(f->buffers.alive, 0); // every hold was let go
    assert_int_equal(f->kernels.alive, 0);
    assert_int_equal(f->pool.used_bytes, 0);
    fmi_table_destroy(&f->buffers);
    fmi_table_destroy(&f->kernels);
    fmi_pool_destroy(&f->pool);
}

static fm_buffer make(fixture *f, uint64_t size_bytes)
{
    fm_buffer handle;
    fmi_buffer *buffer;
    assert_int_equal(fmi_buffer_create(&f->buffers, &f->pool, FM_MEMORY_DEVICE, size_bytes, UINT64_MAX, &handle.id,
                                       &buffer),
                     FM_OK);
    return handle;
}

static uint32_t holds(fixture *f, fm_buffer handle)
{
    fmi_slot *slot = fmi_table_find(&f->buffers, handle.id);
    return slot ? (uint32_t)slot->word : 0;
}

static void holds_rebinding_takes_one_hold(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_buffer a = make(&f, 4096), b = make(&f, 4096);
    fm_commands *commands;
    assert_int_equal(fmi_recorder_begin(&f.room, NULL, &commands), FM_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fm_copy(commands, a, 0, b, 0, 64), FM_OK);
    }
    assert_int_equal(holds(&f, a), 2); // the owner's and the list's
    assert_int_equal(holds(&f, b), 2);
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    assert_int_equal(holds(&f, a), 1);
    assert_int_equal(holds(&f, b), 1);
    fmi_table_kill(&f.buffers, a.id);
    fmi_table_kill(&f.buffers, b.id);
    tear_down(&f);
}

static void *cancel(void *commands)
{
    fm_commands_cancel((fm_commands **)commands);
    return NULL;
}

// Begins a list and has one call hold the kernel that ends with `status`.
static fm_commands *begin_holding(fixture *f, uint64_t kernel, fm_status status)
{
    fm_commands *commands;
    fmi_slot *slot;
    assert_int_equal(fmi_recorder_begin(&f->room, NULL, &commands), FM_OK);
    assert_int_equal(fmi_recorder_enter(commands, "test"), FM_OK);
    assert_int_equal(fmi_recorder_hold(commands, &f->kernels, &commands->kernel_stamps, &commands->list->kernels,
                                       kernel, &slot),
                     FM_OK);
    fmi_recorder_leave(commands, status);
    return commands;
}

// HOLD-1: whichever thread lets go of a list, its holds on kernels go back the way they came, by the share of the thread that began it.
static void holds_on_kernels_go_back_to_their_share(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fmi_slot *kernel = fmi_table_reserve(&f.kernels);
    uint64_t id = fmi_table_publish(&f.kernels, kernel);
    fm_commands *commands = begin_holding(&f, id, FM_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel, (void *)&commands), 0);
    pthread_join(thread, NULL);
    assert_null(commands);
    assert_int_equal((uint32_t)atomic_load(&kernel->word), 2); // the owner's and the share's, which stays
    commands = begin_holding(&f, id, FM_OK);
    assert_int_equal((uint32_t)atomic_load(&kernel->word), 2);
    assert_int_equal(fmi_table_kill(&f.kernels, id), FM_OK);
    assert_int_equal(f.kernels.alive, 1); // the list's
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    assert_int_equal(f.kernels.alive, 0);
    tear_down(&f);
}

// What a call that fails had newly held goes back the same way: nothing is left of it for the slot's next object.
static void holds_of_a_failed_call_go_back_to_their_share(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fmi_slot *kernel = fmi_table_reserve(&f.kernels);
    uint64_t first = fmi_table_publish(&f.kernels, kernel);
    assert_int_equal(fm_commands_cancel(&(fm_commands *){begin_holding(&f, first, FM_OK)}),
                     FM_OK); // the share holds it from now on
    fm_commands *commands = begin_holding(&f, first, FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(fmi_table_kill(&f.kernels, first), FM_OK);
    assert_int_equal(f.kernels.alive, 0);
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    assert_ptr_equal(fmi_table_reserve(&f.kernels), kernel);
    uint64_t second = fmi_table_publish(&f.kernels, kernel);
    commands = begin_holding(&f, second, FM_OK);
    assert_int_equal(fmi_table_kill(&f.kernels, second), FM_OK);
    assert_int_equal(f.kernels.alive, 1); // the list's
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    tear_down(&f);
}

static void holds_random_lists_match_a_plain_count(void **state)
{
    (void)state;
    enum { BUFFERS = 700, LISTS = 5 };
    static fm_buffer buffers[BUFFERS];
    static bool held[LISTS][BUFFERS];
    fixture f;
    set_up(&f);
    for (int i = 0; i < BUFFERS; i++) {
        buffers[i] = make(&f, 64);
    }
    fm_commands *lists[LISTS] = {NULL};
    memset(held, 0, sizeof held);
    srand(11);
    for (int step = 0; step < 20000; step++) {
        int l = rand() % LISTS;
        if (!lists[l]) {
            assert_int_equal(fmi_recorder_begin(&f.room, NULL, &lists[l]), FM_OK);
        } else if (rand() % 500 == 0) {
            assert_int_equal(fm_commands_cancel(&lists[l]), FM_OK);
            memset(held[l], 0, sizeof held[l]);
            continue;
        }
        int i = rand() % BUFFERS;
        assert_int_equal(fm_fill(lists[l], buffers[i], 0, 64, 0), FM_OK);
        held[l][i] = true;
        if (step % 1000 == 0) {
            for (int k = 0; k < BUFFERS; k++) {
                uint32_t expected = 1;
                for (int m = 0; m < LISTS; m++) {
                    expected += held[m][k];
                }
                assert_int_equal(holds(&f, buffers[k]), expected);
            }
        }
    }
    for (int i = 0; i < BUFFERS; i++) {
        fmi_table_kill(&f.buffers, buffers[i].id); // while lists hold them
    }
    assert_int_not_equal(f.buffers.alive, 0);
    for (int l = 0; l < LISTS; l++) {
        assert_int_equal(fm_commands_cancel(&lists[l]), FM_OK);
    }
    tear_down(&f);
}

// HOLD-4: a destroyed buffer's memory is not handed out again while a list holds it.
static void holds_block_reuse_of_destroyed_memory(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_buffer a = make(&f, 4096), sink = make(&f, 4096);
    const fmi_memory *memory = ((fmi_buffer *)fmi_table_find(&f.buffers, a.id))->memory;
    fm_commands *commands;
    assert_int_equal(fmi_recorder_begin(&f.room, NULL, &commands), FM_OK);
    assert_int_equal(fm_copy(commands, a, 0, sink, 0, 4096), FM_OK);
    assert_int_equal(fmi_table_kill(&f.buffers, a.id), FM_OK);
    fm_buffer others[8];
    for (int i = 0; i < 8; i++) {
        others[i] = make(&f, 4096);
        const fmi_memory *m = ((fmi_buffer *)fmi_table_find(&f.buffers, others[i].id))->memory;
        assert_false(m->block == memory->block && m->offset_bytes == memory->offset_bytes);
    }
    assert_int_equal(fm_copy(commands, a, 0, sink, 0, 64),
                     FM_ERROR_STALE_HANDLE); // dead at once, also for a list that holds it
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    fm_buffer again = make(&f, 4096);
    const fmi_memory *m = ((fmi_buffer *)fmi_table_find(&f.buffers, again.id))->memory;
    assert_ptr_equal(m, memory); // now it is
    for (int i = 0; i < 8; i++) {
        fmi_table_kill(&f.buffers, others[i].id);
    }
    fmi_table_kill(&f.buffers, again.id);
    fmi_table_kill(&f.buffers, sink.id);
    tear_down(&f);
}

static void holds_staging_lives_with_its_list(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_buffer a = make(&f, 1 << 17);
    uint64_t before = f.pool.staging_used_bytes;
    fm_commands *commands;
    assert_int_equal(fmi_recorder_begin(&f.room, NULL, &commands), FM_OK);
    static uint8_t bytes[1 << 17];
    for (int i = 0; i < 100; i++) {
        assert_int_equal(fm_upload(commands, a, 0, 1000, bytes), FM_OK);
    }
    assert_int_equal(fm_upload(commands, a, 0, sizeof bytes, bytes), FM_OK);
    assert_true(f.pool.staging_used_bytes > before + sizeof bytes);
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    assert_true(f.pool.staging_used_bytes > before); // the recorder keeps its chunk for its next list
    fmi_record_drop_staging(&f.room);
    assert_int_equal(f.pool.staging_used_bytes, before);
    fmi_table_kill(&f.buffers, a.id);
    tear_down(&f);
}

// The epoch that marks "held by this list" wraps after 2^32 lists: old stamps must not look new.
static void holds_epoch_wrap_forgets_old_stamps(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_buffer a = make(&f, 64);
    fm_commands *commands;
    assert_int_equal(fmi_recorder_begin(&f.room, NULL, &commands), FM_OK);
    commands->epoch = 1; // as the very first list
    assert_int_equal(fm_fill(commands, a, 0, 64, 0), FM_OK);
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    assert_non_null(fmi_lane_of_thread(f.room.lanes)->recorders);
    fmi_lane_of_thread(f.room.lanes)->recorders->epoch = UINT32_MAX; // the next begin wraps
    assert_int_equal(fmi_recorder_begin(&f.room, NULL, &commands), FM_OK);
    assert_int_equal(commands->epoch, 1);
    assert_int_equal(fm_fill(commands, a, 0, 64, 0), FM_OK);
    assert_int_equal(holds(&f, a), 2);
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    fmi_table_kill(&f.buffers, a.id);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_rebinding_takes_one_hold),
        cmocka_unit_test(holds_on_kernels_go_back_to_their_share),
        cmocka_unit_test(holds_of_a_failed_call_go_back_to_their_share),
        cmocka_unit_test(holds_random_lists_match_a_plain_count),
        cmocka_unit_test(holds_block_reuse_of_destroyed_memory),
        cmocka_unit_test(holds_staging_lives_with_its_list),
        cmocka_unit_test(holds_epoch_wrap_forgets_old_stamps),
    };
    return cmocka_run_group_tests_name("record_holds", tests, NULL, NULL);
}
