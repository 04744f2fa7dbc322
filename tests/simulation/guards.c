// Guards between two steps: what one thread does just there is done there, by the same thread (fm_testing_come_in), or as an exact order of
// calls on the manual device. Each test fails when its guard is taken out of the source, and says which one that is.
#include "manual_fixture.h"

enum { WORDS = 256, BYTES = WORDS * 4 };

static int set_up(void **state)
{
    *state = md_new(sizeof(md_fixture), &(fm_device_info){.batches_in_flight = 2});
    return 0;
}

typedef struct visit {
    md_fixture *f;
    fm_buffer buffer, fresh;
    fm_status status;
    uint32_t words[WORDS];
    uint64_t reuses;
} visit;

// Another stream's list stands in the queue, its memory has not been told, and the device has run half of it.
static void read_a_half_written_buffer(void *user)
{
    visit *v = user;
    md_fixture *f = v->f;
    fm_point_poll(f->device, (fm_point){f->b, 1}); // whoever looks leads
    md_step(f, 1);
    OK(fm_testing_step_in_waits(f->device, 1));
    v->status = fm_buffer_read(f->device, f->a, v->buffer, 0, BYTES, v->words, MD_SECOND);
}

// Guard: a read looks at mapped memory only while no list is being recorded with it (submit/read.c, may_look). Nothing that the reader compares
// changes while such a list is committed and runs.
static void guard_read_looks_at_no_memory_that_a_list_is_being_recorded_with(void **state)
{
    md_fixture *f = *state;
    visit v = {.f = f, .buffer = md_buffer(f, BYTES)};
    md_commit_fill(f, f->a, v.buffer, 1);
    md_step(f, MD_ALL);
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill(commands, v.buffer, 0, BYTES / 2, 2));
    OK(fm_fill(commands, v.buffer, BYTES / 2, BYTES / 2, 2));
    OK(fm_testing_come_in(f->device, FM_TESTING_PUSHED, read_a_half_written_buffer, &v));
    md_commit(commands, f->b);
    OK(v.status);
    md_expect_words(v.words, WORDS, 2); // half of it 1: the read was torn
}

// A buffer of stream a, of the size of the one that a's list has just been queued with.
static void create_on_a(void *user)
{
    visit *v = user;
    v->fresh = md_buffer_with(v->f, &(fm_buffer_info){.size_bytes = BYTES, .stream = v->f->a});
}

// Guard: memory hears of a commit when the list stands in the queue (submit/commit.c, fmi_submit_post), not before: the fill of a
// buffer that takes the memory over would get its place in front of the list, which would then write into the new buffer (HOLD-6).
static void guard_memory_is_offered_only_when_its_last_list_stands_in_the_queue(void **state)
{
    md_fixture *f = *state;
    visit v = {.f = f, .buffer = md_buffer(f, BYTES)};
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill(commands, v.buffer, 0, FM_WHOLE_SIZE, 0xDEAD));
    OK(fm_buffer_destroy(f->device, v.buffer));
    OK(fm_testing_come_in(f->device, FM_TESTING_PUSHED, create_on_a, &v));
    md_commit(commands, f->a);
    md_run(f);
    md_expect(f, f->a, v.fresh, WORDS, 0);
    assert_int_equal(md_stats(f).memory_reuses, 0);
}

// The same place, and the list waits for nothing that comes later: from now on the memory is stream a's to give.
static void guard_memory_is_offered_once_its_last_list_stands_in_the_queue(void **state)
{
    md_fixture *f = *state;
    visit v = {.f = f, .buffer = md_buffer(f, BYTES)};
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill(commands, v.buffer, 0, FM_WHOLE_SIZE, 0xDEAD));
    OK(fm_buffer_destroy(f->device, v.buffer));
    md_commit(commands, f->a);
    create_on_a(&v);
    assert_int_equal(md_stats(f).memory_reuses, 1);
    md_run(f);
    md_expect(f, f->a, v.fresh, WORDS, 0);
}

static void destroy_and_create_on_a(void *user)
{
    visit *v = user;
    OK(fm_buffer_destroy(v->f->device, v->buffer));
    create_on_a(v);
    v->reuses = md_stats(v->f).memory_reuses;
}

// Guard: whoever has told the memory that a list uses it looks whether the handle is still alive (record/recorder.c, bind_memory). Else the
// list would be recorded with memory that another buffer has taken over (HOLD-6).
static void guard_binding_a_buffer_that_dies_meanwhile_is_refused(void **state)
{
    md_fixture *f = *state;
    visit v = {.f = f, .buffer = md_buffer(f, BYTES)};
    md_commit_fill(f, f->a, v.buffer, 1); // in flight: a later buffer of stream a may have the memory
    fm_commands *commands = md_begin(f, 0);
    OK(fm_testing_come_in(f->device, FM_TESTING_BOUND, destroy_and_create_on_a, &v));
    fm_status status = fm_fill(commands, v.buffer, 0, FM_WHOLE_SIZE, 0xDEAD);
    assert_int_equal(v.reuses, 1);
    md_commit(commands, f->a);
    md_run(f);
    md_expect(f, f->a, v.fresh, WORDS, 0);
    STATUS(status, FM_ERROR_STALE_HANDLE);
}

// Guard: a handle that dies leaves its memory to its stream also when the memory's other users are lists of the buffer that it was donated
// from (memory/buffer.c, owners > 1). Without it the bytes escape the limit of what is in flight (HOLD-5, RETIRE-4).
static void guard_memory_of_a_donated_buffer_is_in_flight_when_its_last_handle_dies(void **state)
{
    md_fixture *f = *state;
    fm_buffer input = md_buffer(f, BYTES), output = {0};
    md_commit_fill(f, f->a, input, 1);
    OK(fm_buffer_donate(f->device, input, FM_WHOLE_SIZE, "output", &output));
    assert_int_equal(md_stats(f).bytes_in_flight, 0);
    OK(fm_buffer_destroy(f->device, output)); // no list uses this one
    assert_int_equal(md_stats(f).bytes_in_flight, BYTES);
    visit v = {.f = f};
    create_on_a(&v);
    assert_int_equal(md_stats(f).memory_reuses, 1);
    assert_int_equal(md_stats(f).bytes_in_flight, 0);
    md_run(f);
    md_expect(f, f->a, v.fresh, WORDS, 0);
}

// Guard: a buffer made for a stream that has failed gets memory that nothing uses (submit/fill.c). Behind the failure the fill
// of memory that was taken over would not run, and nobody could use the buffer.
static void guard_buffer_of_a_failed_stream_takes_nothing_over(void **state)
{
    md_fixture *f = *state;
    fm_buffer door = md_buffer(f, BYTES), old = md_buffer(f, BYTES);
    fm_point bad = md_commit_fill(f, f->a, door, 1);
    md_commit_fill(f, f->a, old, 2); // both are on the device: two batches
    OK(fm_testing_fail_list(f->device));
    md_step(f, 1);
    STATUS(fm_point_poll(f->device, bad), FM_ERROR_KERNEL_FAILED);
    OK(fm_buffer_destroy(f->device, old)); // still in flight
    visit v = {.f = f};
    create_on_a(&v);
    assert_int_equal(md_stats(f).memory_reuses, 0);
    md_run(f);
    md_expect(f, f->b, v.fresh, WORDS, 0);
}

// Guard: memory whose fill failed is not taken over (memory/pool.c, fmi_pool_take_over): the note would be the new buffer's, or be wiped
// out before the lists that used the old one have answered for it.
static void guard_memory_that_could_not_be_zeroed_is_not_taken_over(void **state)
{
    md_fixture *f = *state;
    fm_buffer first = md_buffer(f, BYTES);
    md_commit_fill(f, f->a, first, 1);
    OK(fm_buffer_destroy(f->device, first));
    visit v = {.f = f};
    create_on_a(&v); // takes it over: its fill stands behind the list
    assert_int_equal(md_stats(f).memory_reuses, 1);
    md_step(f, 1);
    OK(fm_point_poll(f->device, (fm_point){f->a, 1}));
    OK(fm_testing_fail_list(f->device)); // the fill
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_stream_reset(f->device, f->a, MD_SECOND));
    OK(fm_testing_step_in_waits(f->device, 0));
    uint32_t words[WORDS];
    fm_commands *commands = md_begin(f, 0);
    OK(fm_read(commands, v.fresh, 0, BYTES, words));
    fm_point unzeroed = md_commit(commands, f->a);
    OK(fm_buffer_destroy(f->device, v.fresh)); // in flight, and stream a has not failed again
    create_on_a(&v);
    assert_int_equal(md_stats(f).memory_reuses, 1);
    OK(fm_testing_step_in_waits(f->device, 1));
    STATUS(fm_point_wait(f->device, unzeroed, MD_SECOND), FM_ERROR_BACKEND); // its bytes were nobody's zeroes
    md_run(f);
    md_expect(f, f->b, v.fresh, WORDS, 0);
}

// The request's second look has found nothing: only now the last work ends.
static void end_all_work(void *user)
{
    visit *v = user;
    md_step(v->f, MD_ALL);
    v->reuses++;
}

static void end_all_work_at_the_second_look(void *user)
{
    visit *v = user;
    OK(fm_testing_come_in(v->f->device, FM_TESTING_NO_ROOM, end_all_work, v));
}

// Guard: what comes back while a request looks whether anything is in flight is looked at (memory/pool.c, is_final). Nothing is in flight any
// more then, and that is no reason to refuse (LEARNED-23).
static void guard_memory_of_work_that_ends_at_the_last_moment_is_had(void **state)
{
    md_fixture *f = *state;
    enum { LIMIT = 1 << 20, MOST = 700 << 10 };
    md_reopen(f, &(fm_device_info){.memory_limit_bytes = LIMIT, .block_size_bytes = 64 << 10});
    visit v = {.f = f, .buffer = md_buffer(f, MOST)};
    md_commit_fill(f, f->a, v.buffer, 1);
    OK(fm_buffer_destroy(f->device, v.buffer));
    OK(fm_testing_come_in(f->device, FM_TESTING_NO_ROOM, end_all_work_at_the_second_look, &v));
    v.fresh = md_buffer(f, MOST);
    assert_int_equal(v.reuses, 1);
    STATUS(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = MOST}, &v.buffer), FM_ERROR_OUT_OF_MEMORY);
    md_run(f);
    md_expect(f, f->b, v.fresh, WORDS, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, md_delete)
    const struct CMUnitTest tests[] = {
        TEST(guard_read_looks_at_no_memory_that_a_list_is_being_recorded_with),
        TEST(guard_memory_is_offered_only_when_its_last_list_stands_in_the_queue),
        TEST(guard_memory_is_offered_once_its_last_list_stands_in_the_queue),
        TEST(guard_binding_a_buffer_that_dies_meanwhile_is_refused),
        TEST(guard_memory_of_a_donated_buffer_is_in_flight_when_its_last_handle_dies),
        TEST(guard_buffer_of_a_failed_stream_takes_nothing_over),
        TEST(guard_memory_that_could_not_be_zeroed_is_not_taken_over),
        TEST(guard_memory_of_work_that_ends_at_the_last_moment_is_had),
    };
    return cmocka_run_group_tests_name("guards", tests, NULL, NULL);
}
