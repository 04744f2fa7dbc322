// Imported host memory: kernels and transfers work on it where it lies, it is given back once and no sooner than the last use is complete,
// and what is refused. On devices that import nothing, that they say so.
#include "groups.h"
#include "support.h"

#include <time.h>

// The caller's memory, and what it was told.
typedef struct memory {
    ct_fixture *f;
    uint32_t *words; // of room
    uint32_t count;
    uint32_t alignment;
    fm_buffer buffer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t releases; // guarded by the lock, like the one below it
    void *released;
} memory;

static void on_release(void *user, void *pointer)
{
    memory *m = user;
    pthread_mutex_lock(&m->lock);
    m->releases++;
    m->released = pointer;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static uint32_t releases(memory *m)
{
    pthread_mutex_lock(&m->lock);
    uint32_t count = m->releases;
    pthread_mutex_unlock(&m->lock);
    return count;
}

static void wait_for_release(memory *m)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&m->lock);
    int timed_out = 0;
    while (m->releases == 0 && !timed_out) timed_out = pthread_cond_timedwait(&m->changed, &m->lock, &until);
    assert_int_equal(m->releases, 1);
    assert_ptr_equal(m->released, m->words);
    pthread_mutex_unlock(&m->lock);
}

static fm_buffer_import_info info_of(memory *m)
{
    return (fm_buffer_import_info){
        .pointer = m->words,
        .size_bytes = 4 * (uint64_t)m->count,
        .label = "caller's",
        .release = on_release,
        .release_user = m,
    };
}

// Memory of `count` words that count up, not imported yet. False on a device that rightly refuses.
static bool new_memory(ct_fixture *f, memory *m, uint32_t count)
{
    *m = (memory){.f = f, .count = count, .alignment = f->properties.import_alignment_bytes};
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    size_t alignment = m->alignment ? m->alignment : 4096;
    alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
    assert_int_equal(posix_memalign((void **)&m->words, alignment, 4 * (size_t)count), 0);
    for (uint32_t i = 0; i < count; i++) m->words[i] = i;
    if (m->alignment == 0) {
        assert_true(f->properties.kind != FM_DEVICE_HOST); // it always can
        fm_buffer_import_info info = info_of(m);
        CT_STATUS(fm_buffer_import_host(f->device, &info, &m->buffer), FM_ERROR_UNSUPPORTED);
        assert_int_equal(m->buffer.id, 0);
        free(m->words);
    }
    return m->alignment != 0;
}

static void import_it(memory *m)
{
    fm_buffer_import_info info = info_of(m);
    CT_OK(fm_buffer_import_host(m->f->device, &info, &m->buffer));
}

static void delete_memory(memory *m)
{
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m->words);
}

static void import_is_worked_on_where_it_lies(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 8192 };
    static memory m; // a test that fails leaves it to the device
    if (!new_memory(f, &m, COUNT)) return;
    uint64_t in_use = ct_stats(f).bytes_in_use;
    import_it(&m);
    assert_int_equal(ct_stats(f).bytes_in_use, in_use); // no copy, and under no limit
    assert_int_equal(ct_stats(f).bytes_imported, 4 * COUNT);
    uint64_t size = 0;
    CT_OK(fm_buffer_get_size(f->device, m.buffer, &size));
    assert_int_equal(size, 4 * COUNT);
    void *mapped = NULL;
    CT_OK(fm_buffer_map(f->device, m.buffer, 4, 4, &mapped));
    assert_ptr_equal(mapped, m.words + 1);
    fm_buffer y = ct_buffer(f, 4 * COUNT);
    fm_kernel step = ct_kernel_step(f);
    fm_commands *commands = ct_begin(f);
    CT_OK(ct_record_add(commands, ct_kernel_add(f), m.buffer, y, COUNT, 5)); // what the caller wrote
    CT_OK(ct_record_set(commands, step, m.buffer, COUNT, 1));
    CT_OK(fm_fill(commands, m.buffer, 4, 4, 77));
    CT_OK(fm_copy(commands, y, 0, m.buffer, 8, 4));
    CT_OK(fm_upload(commands, m.buffer, 12, 4, &(uint32_t){99}));
    ct_finish(f, commands);
    uint32_t words[COUNT];
    ct_read(f, y, 0, sizeof words, words);
    for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(words[i], i + 5);
    for (uint32_t i = 4; i < COUNT; i++) assert_int_equal(m.words[i], 2 * i + 1);
    assert_int_equal(m.words[0], 1);
    assert_int_equal(m.words[1], 77);
    assert_int_equal(m.words[2], 5);
    assert_int_equal(m.words[3], 99);
    m.words[7] = 1234;
    ct_read(f, m.buffer, 28, 4, words);
    assert_int_equal(words[0], 1234);
    assert_int_equal(releases(&m), 0);
    CT_OK(fm_buffer_destroy(f->device, m.buffer));
    wait_for_release(&m);
    assert_int_equal(m.words[7], 1234); // as it was
    assert_int_equal(ct_stats(f).bytes_imported, 0);
    delete_memory(&m);
}

// HOLD-1: given back when the last list that uses it is complete, and not before.
static void import_is_released_after_its_last_use(void **state)
{
    ct_fixture *f = *state;
    static memory m; // a test that fails leaves it to the device
    if (!new_memory(f, &m, 4096)) return;
    import_it(&m);
    fm_point point = ct_commit_gate(f, f->stream, m.buffer);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, m.buffer, 0, FM_WHOLE_SIZE, 3));
    fm_commands *recorded = ct_begin(f);
    CT_OK(fm_fill(recorded, m.buffer, 0, FM_WHOLE_SIZE, 4));
    fm_point last = ct_commit(&commands, f->stream);
    CT_OK(fm_buffer_destroy(f->device, m.buffer));
    if (ct_gate_is_exact(f)) {
        assert_int_equal(releases(&m), 0);
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    assert_int_equal(m.words[4095], 3);
    (void)ct_stats(f);                 // lets go of what is complete
    assert_int_equal(releases(&m), 0); // a list that is being recorded has it
    CT_OK(fm_commands_cancel(&recorded));
    wait_for_release(&m);
    delete_memory(&m);
}

static void import_that_was_donated_is_released_with_the_output(void **state)
{
    ct_fixture *f = *state;
    static memory m; // a test that fails leaves it to the device
    if (!new_memory(f, &m, 4096)) return;
    import_it(&m);
    fm_buffer output;
    CT_OK(fm_buffer_donate(f->device, m.buffer, 64, "output", &output));
    ct_wait_idle(f);
    assert_int_equal(releases(&m), 0);
    CT_OK(fm_buffer_destroy(f->device, output));
    wait_for_release(&m);
    delete_memory(&m);
}

// What is alive at the end, and what only a list's hold kept, is released once, before the close returns.
static void import_is_released_by_closing_the_device(void **state)
{
    ct_fixture *f = *state;
    static memory alive, dead;
    if (!new_memory(f, &alive, 4096)) return;
    assert_true(new_memory(f, &dead, 4096));
    import_it(&alive);
    import_it(&dead);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy(commands, alive.buffer, 0, dead.buffer, 4096, 4096));
    ct_commit(&commands, f->stream);
    CT_OK(fm_buffer_destroy(f->device, dead.buffer));
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(releases(&alive), 1);
    assert_int_equal(releases(&dead), 1);
    assert_int_equal(dead.words[1024 + 7], 7);
    delete_memory(&alive);
    delete_memory(&dead);
}

// The same bytes again, as often as one likes, once they are released; never twice at once.
static void import_of_bytes_that_are_imported_is_refused(void **state)
{
    ct_fixture *f = *state;
    static memory m; // a test that fails leaves it to the device
    if (!new_memory(f, &m, 8192)) return;
    for (uint32_t round = 0; round < 20; round++) {
        import_it(&m);
        fm_buffer_import_info again = info_of(&m);
        fm_buffer second = {1};
        CT_STATUS(fm_buffer_import_host(f->device, &again, &second), FM_ERROR_INVALID_ARGUMENT);
        assert_int_equal(second.id, 0);
        again.pointer = m.words + 4096; // its second half
        again.size_bytes = 4 * 4096;
        CT_STATUS(fm_buffer_import_host(f->device, &again, &second), FM_ERROR_INVALID_ARGUMENT);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, m.buffer, 0, FM_WHOLE_SIZE, round));
        fm_point point = ct_commit(&commands, f->stream);
        CT_OK(fm_buffer_destroy(f->device, m.buffer));
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        wait_for_release(&m);
        assert_int_equal(m.words[8191], round);
        m.releases = 0;
    }
    delete_memory(&m);
}

// The caller's memory ends where it ends: a fill to the end writes no word beyond it.
static void import_of_an_odd_size_is_filled_to_its_last_byte(void **state)
{
    ct_fixture *f = *state;
    static memory m; // a test that fails leaves it to the device
    if (f->properties.kind != FM_DEVICE_HOST || !new_memory(f, &m, 64))
        return; // elsewhere sizes are multiples of a page
    uint8_t *bytes = (uint8_t *)m.words;
    memset(bytes, 0xEE, 256);
    fm_buffer_import_info info = info_of(&m);
    info.size_bytes = 101;
    CT_OK(fm_buffer_import_host(f->device, &info, &m.buffer));
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, m.buffer, 0, FM_WHOLE_SIZE, 0x04030201));
    ct_finish(f, commands);
    for (uint32_t i = 0; i < 101; i++) assert_int_equal(bytes[i], 1 + i % 4);
    for (uint32_t i = 101; i < 256; i++) assert_int_equal(bytes[i], 0xEE);
    CT_OK(fm_buffer_destroy(f->device, m.buffer));
    wait_for_release(&m);
    for (uint32_t i = 101; i < 256; i++) assert_int_equal(bytes[i], 0xEE);
    delete_memory(&m);
}

static void import_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    static memory m; // a test that fails leaves it to the device
    if (!new_memory(f, &m, 4096)) return;
    fm_buffer out = {1};
    fm_buffer_import_info info = info_of(&m);
    info.pointer = NULL;
    CT_STATUS(fm_buffer_import_host(f->device, &info, &out), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(out.id, 0);
    info = info_of(&m);
    info.size_bytes = 0;
    CT_STATUS(fm_buffer_import_host(f->device, &info, &out), FM_ERROR_INVALID_ARGUMENT);
    info = info_of(&m);
    info.pointer = (uint8_t *)m.words + m.alignment / 2;
    CT_STATUS(fm_buffer_import_host(f->device, &info, &out), FM_ERROR_INVALID_ARGUMENT);
    info = info_of(&m);
    info.size_bytes = UINT64_MAX / 4096 * 4096;
    CT_STATUS(fm_buffer_import_host(f->device, &info, &out), FM_ERROR_OUT_OF_MEMORY);
    if (f->properties.kind != FM_DEVICE_HOST) {
        info.size_bytes = m.alignment + 4;
        CT_STATUS(fm_buffer_import_host(f->device, &info, &out), FM_ERROR_INVALID_ARGUMENT);
    }
    CT_STATUS(fm_buffer_import_host(f->device, NULL, &out), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_import_host(f->device, &info, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_import_host(NULL, &info, &out), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(releases(&m), 0); // who was refused is not called
    info = info_of(&m);
    info.release = NULL; // nobody to tell
    CT_OK(fm_buffer_import_host(f->device, &info, &out));
    CT_OK(fm_buffer_destroy(f->device, out));
    ct_wait_idle(f);
    assert_int_equal(releases(&m), 0);
    delete_memory(&m);
}

// Threads that import, use and destroy at once: each is told of its own, once.
enum { THREADS = 4, ROUNDS = 25 };

static void *import_again_and_again(void *context)
{
    memory *m = context;
    ct_fixture *f = m->f;
    fm_stream stream;
    if (fm_stream_create(f->device, NULL, &stream) != FM_OK) return "no stream";
    for (uint32_t round = 0; round < ROUNDS; round++) {
        fm_buffer_import_info info = info_of(m);
        fm_buffer buffer;
        fm_commands *commands;
        fm_point point;
        if (fm_buffer_import_host(f->device, &info, &buffer) != FM_OK) return "no import";
        if (fm_commands_begin(f->device, NULL, &commands) != FM_OK) return "no list";
        if (fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, round) != FM_OK) return "no fill";
        if (fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point) != FM_OK) return "no commit";
        if (fm_buffer_destroy(f->device, buffer) != FM_OK) return "no destruction";
        pthread_mutex_lock(&m->lock);
        while (m->releases == 0) pthread_cond_wait(&m->changed, &m->lock);
        bool right = m->releases == 1 && m->released == m->words && m->words[m->count - 1] == round;
        m->releases = 0;
        pthread_mutex_unlock(&m->lock);
        if (!right) return "released too early, or twice";
    }
    return NULL;
}

static void import_from_many_threads_is_released_to_each(void **state)
{
    ct_fixture *f = *state;
    static memory m[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        if (!new_memory(f, &m[i], 16384)) return;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, import_again_and_again, &m[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        void *failure = NULL;
        assert_int_equal(pthread_join(threads[i], &failure), 0);
        if (failure) fail_msg("%s", (const char *)failure);
        delete_memory(&m[i]);
    }
}

int ct_group_import(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(import_is_worked_on_where_it_lies),
        CT_TEST(import_is_released_after_its_last_use),
        CT_TEST(import_that_was_donated_is_released_with_the_output),
        CT_TEST(import_is_released_by_closing_the_device),
        CT_TEST(import_of_bytes_that_are_imported_is_refused),
        CT_TEST(import_of_an_odd_size_is_filled_to_its_last_byte),
        CT_TEST(import_with_bad_arguments_is_refused),
        CT_TEST(import_from_many_threads_is_released_to_each),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
