// What errors say, as somebody reads them who has just made the mistake: names are those that the caller gave, what has none is not named,
// numbers are the caller's own, and a failure that spreads says where it began. Codes are tested by the groups of their calls.
#include "groups.h"
#include "support.h"

// Fails the test unless the last error has the words, and none of what a sentence must never show.
static void expect_words(const char *words)
{
    static const char *const never[] = {"''", "'?'", "no label", "(null)", "18446744073709"};
    if (!strstr(fm_last_error(), words)) fail_msg("'%s' does not say '%s'", fm_last_error(), words);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (strstr(fm_last_error(), never[i])) fail_msg("'%s' shows '%s'", fm_last_error(), never[i]);
    }
}

#define REFUSED(call, status, words)                                                                                   \
    do {                                                                                                               \
        CT_STATUS(call, status);                                                                                       \
        expect_words(words);                                                                                           \
    } while (0)

static fm_buffer labelled(ct_fixture *f, const char *label)
{
    fm_buffer buffer = {0};
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 256, .label = label}, &buffer));
    return buffer;
}

static fm_stream labelled_stream(ct_fixture *f, const char *label)
{
    fm_stream stream = {0};
    CT_OK(fm_stream_create(f->device, &(fm_stream_info){.label = label}, &stream));
    return stream;
}

static void sentence_on_a_stale_handle_keeps_the_last_label(void **state)
{
    ct_fixture *f = *state;
    fm_commands *commands = ct_begin(f);
    fm_buffer cache = labelled(f, "cache"), plain = labelled(f, NULL), empty = labelled(f, "");
    fm_stream stream = labelled_stream(f, "decode");
    fm_kernel kernel = ct_kernel_count(f);
    CT_OK(fm_buffer_destroy(f->device, cache));
    CT_OK(fm_buffer_destroy(f->device, plain));
    CT_OK(fm_buffer_destroy(f->device, empty));
    CT_OK(fm_stream_destroy(f->device, stream));
    CT_OK(fm_kernel_destroy(f->device, kernel));
    REFUSED(fm_buffer_destroy(f->device, cache), FM_ERROR_STALE_HANDLE, "buffer 'cache' (handle ");
    REFUSED(fm_fill(commands, cache, 0, 4, 0), FM_ERROR_STALE_HANDLE, "fm_fill: buffer 'cache' (handle ");
    REFUSED(fm_fill(commands, plain, 0, 4, 0), FM_ERROR_STALE_HANDLE, "fm_fill: buffer (handle ");
    REFUSED(fm_fill(commands, empty, 0, 4, 0), FM_ERROR_STALE_HANDLE, "fm_fill: buffer (handle ");
    REFUSED(fm_stream_reset(f->device, stream, 0), FM_ERROR_STALE_HANDLE, "stream 'decode' (handle ");
    REFUSED(fm_kernel_destroy(f->device, kernel), FM_ERROR_STALE_HANDLE, "kernel '");
    fm_buffer next[4]; // in the same slots
    for (int i = 0; i < 4; i++) next[i] = labelled(f, "values");
    REFUSED(fm_fill(commands, cache, 0, 4, 0), FM_ERROR_STALE_HANDLE, "buffer 'cache' (handle ");
    for (int i = 0; i < 4; i++) CT_OK(fm_buffer_destroy(f->device, next[i]));
    CT_STATUS(fm_fill(commands, cache, 0, 4, 0), FM_ERROR_STALE_HANDLE); // one life later nobody remembers it
    assert_null(strstr(fm_last_error(), "values"));
    expect_words("fm_fill: buffer (handle ");
}

// However many objects come and go, the last ones are known by their labels, and none by another's.
static void sentence_on_a_stale_handle_is_right_after_many(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 5000 };
    fm_stream *streams = malloc(COUNT * sizeof *streams);
    assert_non_null(streams);
    char label[32], said[48];
    for (int i = 0; i < COUNT; i++) {
        snprintf(label, sizeof label, "sequence %d", i);
        streams[i] = labelled_stream(f, label);
    }
    for (int i = 0; i < COUNT; i++) CT_OK(fm_stream_destroy(f->device, streams[i]));
    int known = 0;
    for (int i = 0; i < COUNT; i++) {
        CT_STATUS(fm_stream_destroy(f->device, streams[i]), FM_ERROR_STALE_HANDLE);
        snprintf(said, sizeof said, "stream 'sequence %d' (", i);
        bool is_known = strstr(fm_last_error(), said) != NULL;
        if (!is_known) expect_words("stream (handle ");
        known += is_known;
    }
    assert_in_range(known, 1024, COUNT);
    free(streams);
}

static void sentence_on_a_range_has_the_callers_numbers(void **state)
{
    ct_fixture *f = *state;
    fm_commands *commands = ct_begin(f);
    fm_kernel kernel = ct_kernel_count(f);
    fm_buffer x = labelled(f, "x"), plain = labelled(f, NULL);
    uint8_t bytes[512] = {0};
    const struct {
        uint64_t offset, size;
        const char *words;
    } cases[] = {
        {512, 0, "offset 512 is not inside buffer 'x' of 256 bytes"}, // in a binding 0 is "to the end", too
        {256, 0, "offset 256 is not inside buffer 'x' of 256 bytes"},
        {260, FM_WHOLE_SIZE, "offset 260 is not inside buffer 'x' of 256 bytes"},
        {0, 512, "512 bytes at offset 0 exceed buffer 'x' of 256 bytes"},
        {0, (uint64_t)-16, "the size in buffer 'x' of 256 bytes is -16, a negative number"},
        {(uint64_t)-256, 16, "the offset in buffer 'x' of 256 bytes is -256, a negative number"},
        {(uint64_t)-256, FM_WHOLE_SIZE, "the offset in buffer 'x' of 256 bytes is -256, a negative number"},
        {(uint64_t)-256, (uint64_t)-16, "is -256, a negative number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t offset = cases[i].offset, size = cases[i].size;
        fm_dispatch_info info =
            ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = x, .offset_bytes = offset, .size_bytes = size}), NULL,
                             0);
        REFUSED(fm_dispatch(commands, &info), FM_ERROR_OUT_OF_RANGE, cases[i].words);
        expect_words("binding 0 'x' of kernel '");
        if (size == 0) continue;
        REFUSED(fm_fill(commands, x, offset, size, 0), FM_ERROR_OUT_OF_RANGE, cases[i].words);
        REFUSED(fm_upload(commands, x, offset, size, bytes), FM_ERROR_OUT_OF_RANGE, cases[i].words);
        REFUSED(fm_read(commands, x, offset, size, bytes), FM_ERROR_OUT_OF_RANGE, cases[i].words);
        REFUSED(fm_copy(commands, x, offset, plain, 0, size), FM_ERROR_OUT_OF_RANGE, cases[i].words);
        REFUSED(fm_buffer_read(f->device, f->stream, x, offset, size, bytes, 0), FM_ERROR_OUT_OF_RANGE, cases[i].words);
        REFUSED(fm_buffer_write(f->device, f->stream, x, offset, size, bytes, 0), FM_ERROR_OUT_OF_RANGE,
                cases[i].words);
    }
    REFUSED(fm_fill(commands, x, 0, (uint64_t)-3, 0), FM_ERROR_OUT_OF_RANGE, "is -3, a negative number");
    REFUSED(fm_fill(commands, x, (uint64_t)-3, 4, 0), FM_ERROR_OUT_OF_RANGE, "is -3, a negative number");
    REFUSED(fm_upload(commands, plain, 0, 512, bytes), FM_ERROR_OUT_OF_RANGE, "exceed an unlabelled buffer of 256");
    REFUSED(fm_upload(commands, labelled(f, ""), 0, 512, bytes), FM_ERROR_OUT_OF_RANGE, "exceed an unlabelled buffer");
}

static void sentence_on_a_size_that_is_negative_says_so(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer;
    REFUSED(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = (uint64_t)-1, .label = "kv"}, &buffer),
            FM_ERROR_OUT_OF_MEMORY, "buffer 'kv': size_bytes is -1, a negative number");
    REFUSED(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = (uint64_t)-4096}, &buffer),
            FM_ERROR_OUT_OF_MEMORY, "an unlabelled buffer: size_bytes is -4096, a negative number");
    fm_point future = {f->stream, (uint64_t)-1};
    REFUSED(fm_point_wait(f->device, future, 0), FM_ERROR_INVALID_ARGUMENT, "has returned value -1 of this stream");
    expect_words("nothing has been committed to it");
}

// A host function that fails.
static fm_status give_up(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_INVALID_ARGUMENT;
}

// Commits a list of that label after `after`, which may be the null point.
static fm_point commit_after(ct_fixture *f, fm_stream stream, const char *label, fm_point after)
{
    fm_commands *commands = NULL;
    fm_point point = {{0}, 0};
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = label}, &commands));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream, .after = &after, .after_count = 1}, &point));
    return point;
}

// The first failure of three streams that build on each other is what all of them tell, whichever call asks.
static void sentence_on_a_dependency_tells_the_first_cause(void **state)
{
    ct_fixture *f = *state;
    static const char root[] = "list 'step 7': host function 'softmax' returned FM_ERROR_INVALID_ARGUMENT";
    if (!f->properties.runs_host_functions) return; // nothing else fails there by itself
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    fm_kernel_info info = {.name = "softmax",
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = &param,
                           .param_count = 1,
                           .host_function = give_up};
    fm_kernel kernel;
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_stream first = labelled_stream(f, "prefill"), second = labelled_stream(f, NULL);
    fm_buffer door = ct_buffer(f, 64);
    ct_commit_gate(f, first, door);
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "step 7"}, &commands));
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = door}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    fm_point failed = ct_commit(&commands, first);
    fm_point behind = commit_after(f, first, "step 8", (fm_point){{0}, 0});
    fm_point across = commit_after(f, second, NULL, behind);
    fm_point further = commit_after(f, f->stream, "last", across);
    fm_point own = commit_after(f, f->stream, "after the last", (fm_point){{0}, 0});
    ct_gate_open(f);
    const fm_point dependent[] = {behind, across, further, own};
    for (size_t i = 0; i < sizeof dependent / sizeof dependent[0]; i++) {
        REFUSED(fm_point_wait(f->device, dependent[i], CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY, root);
        expect_words("it depends on work of stream 'prefill' that failed: list 'step 7': ");
        const char *first_said = strstr(fm_last_error(), "it depends on");
        assert_null(strstr(first_said + 1, "it depends on")); // once, however far away
        REFUSED(fm_point_poll(f->device, dependent[i]), FM_ERROR_DEPENDENCY, root);
        REFUSED(fm_point_wait_all(f->device, &dependent[i], 1, 0), FM_ERROR_DEPENDENCY, root);
    }
    REFUSED(fm_point_wait(f->device, failed, 0), FM_ERROR_KERNEL_FAILED, root);
    uint32_t word = 0;
    fm_buffer x = labelled(f, "x");
    REFUSED(fm_buffer_read(f->device, f->stream, x, 0, 4, &word, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY, root);
    REFUSED(fm_buffer_write(f->device, second, x, 0, 4, &word, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY, root);
    expect_words("an unlabelled stream has failed");
    commands = ct_begin(f);
    REFUSED(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_DEPENDENCY, root);
    expect_words("fm_stream_reset");
    fm_stream fresh = labelled_stream(f, "fresh");
    REFUSED(fm_commit(&commands, &(fm_commit_info){.stream = fresh, .after = &own, .after_count = 1}, NULL),
            FM_ERROR_DEPENDENCY, root);
    CT_OK(fm_commands_cancel(&commands));
    fm_failure failure;
    CT_OK(fm_device_take_failure(f->device, &failure));
    assert_string_equal(failure.buffers, "1 unlabelled");
}

int ct_group_sentences(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(sentence_on_a_stale_handle_keeps_the_last_label),
        CT_TEST(sentence_on_a_stale_handle_is_right_after_many),
        CT_TEST(sentence_on_a_range_has_the_callers_numbers),
        CT_TEST(sentence_on_a_size_that_is_negative_says_so),
        CT_TEST(sentence_on_a_dependency_tells_the_first_cause),
    };
    return cmocka_run_group_tests_name("sentences", tests, NULL, NULL);
}
