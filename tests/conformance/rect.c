// Copies of rows: values against a model for many layouts, within one buffer, their order among other commands, and what is refused.
#include "groups.h"
#include "support.h"

// What fm_copy_rect promises, on host memory.
static void model_copy(uint8_t *to, const uint8_t *from, const fm_copy_rect_info *r)
{
    uint64_t row[2] = {r->source_row_pitch_bytes, r->destination_row_pitch_bytes};
    uint64_t slice[2] = {r->source_slice_pitch_bytes, r->destination_slice_pitch_bytes};
    for (uint32_t k = 0; k < 2; k++) {
        row[k] = row[k] ? row[k] : r->row_size_bytes;
        slice[k] = slice[k] ? slice[k] : row[k] * r->row_count;
    }
    for (uint64_t z = 0; z < (r->slice_count ? r->slice_count : 1); z++) {
        for (uint64_t y = 0; y < r->row_count; y++) {
            memmove(to + r->destination_offset_bytes + z * slice[1] + y * row[1],
                    from + r->source_offset_bytes + z * slice[0] + y * row[0], r->row_size_bytes);
        }
    }
}

// Random pitches of one side; returns the bytes from the first row's first to the last row's last.
static uint64_t choose_pitches(ct_random *random, const fm_copy_rect_info *r, uint64_t *row, uint64_t *slice)
{
    uint64_t width = r->row_size_bytes, slices = r->slice_count ? r->slice_count : 1;
    *row = ct_random_below(random, 3) ? width + ct_random_below(random, 9) : 0;
    uint64_t pitch = *row ? *row : width;
    uint64_t extent = (r->row_count - 1) * pitch + width;
    *slice = ct_random_below(random, 2) ? extent + ct_random_below(random, 9) : 0;
    return (slices - 1) * (*slice ? *slice : r->row_count * pitch) + extent;
}

static void rect_of_any_layout_moves_exactly_its_rows(void **state)
{
    ct_fixture *f = *state;
    enum { SIZE = 6000 };
    static uint8_t source[SIZE], target[SIZE];
    for (uint32_t i = 0; i < SIZE; i++) source[i] = (uint8_t)(i * 37 + i / 256);
    memset(target, 0, sizeof target);
    fm_buffer from = ct_buffer_of(f, source, SIZE), to = ct_buffer(f, SIZE);
    ct_random random = {41};
    fm_commands *commands = ct_begin(f);
    for (uint32_t round = 0; round < 300; round++) {
        fm_copy_rect_info r = {
            .source = from,
            .destination = to,
            .row_size_bytes = 1 + ct_random_below(&random, round % 2 ? 4 : 40),
            .row_count = 1 + ct_random_below(&random, round % 7 ? 9 : 100),
            .slice_count = ct_random_below(&random, 5),
        };
        uint64_t a = choose_pitches(&random, &r, &r.source_row_pitch_bytes, &r.source_slice_pitch_bytes);
        uint64_t b = choose_pitches(&random, &r, &r.destination_row_pitch_bytes, &r.destination_slice_pitch_bytes);
        if (a > SIZE || b > SIZE) continue;
        r.source_offset_bytes = ct_random_below(&random, (uint32_t)(SIZE - a + 1));
        r.destination_offset_bytes = ct_random_below(&random, (uint32_t)(SIZE - b + 1));
        CT_OK(fm_copy_rect(commands, &r));
        model_copy(target, source, &r);
    }
    ct_finish(f, commands);
    ct_expect_content(f, to, target, SIZE);
    ct_expect_content(f, from, source, SIZE);
}

// A matrix's left columns to its right: no row that is read overlaps one that is written, though the rectangles' extents do.
static void rect_within_one_buffer_moves_between_columns(void **state)
{
    ct_fixture *f = *state;
    enum { WIDTH = 64, ROWS = 200 };
    static uint8_t model[WIDTH * ROWS];
    for (uint32_t i = 0; i < sizeof model; i++) model[i] = (uint8_t)(i * 7);
    fm_buffer buffer = ct_buffer_of(f, model, sizeof model);
    fm_copy_rect_info r = {
        .source = buffer,
        .destination = buffer,
        .source_row_pitch_bytes = WIDTH,
        .destination_row_pitch_bytes = WIDTH,
        .destination_offset_bytes = WIDTH / 2,
        .row_size_bytes = WIDTH / 2,
        .row_count = ROWS,
    };
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy_rect(commands, &r));
    model_copy(model, model, &r);
    fm_copy_rect_info back = r; // and every second row of it to where the first quarter is
    back.source_offset_bytes = WIDTH * ROWS / 2 + 40;
    back.source_row_pitch_bytes = 2 * WIDTH;
    back.destination_offset_bytes = 3;
    back.row_size_bytes = 17;
    back.row_count = ROWS / 4;
    CT_OK(fm_copy_rect(commands, &back));
    model_copy(model, model, &back);
    r.destination_offset_bytes = WIDTH / 2 - 1;
    CT_STATUS(fm_copy_rect(commands, &r), FM_ERROR_INVALID_ARGUMENT); // by one byte
    r.destination_offset_bytes = 0;
    CT_STATUS(fm_copy_rect(commands, &r), FM_ERROR_INVALID_ARGUMENT);
    ct_finish(f, commands);
    ct_expect_content(f, buffer, model, sizeof model);
}

static void rect_keeps_its_place_among_other_commands(void **state)
{
    ct_fixture *f = *state;
    enum { SIDE = 100 };
    fm_kernel step = ct_kernel_step(f);
    fm_buffer x = ct_buffer(f, 4 * SIDE * SIDE), y = ct_buffer(f, 4 * SIDE * SIDE);
    fm_copy_rect_info r = {
        .source = x,
        .source_offset_bytes = 4 * (10 * SIDE + 10),
        .source_row_pitch_bytes = 4 * SIDE,
        .destination = y,
        .destination_offset_bytes = 4 * (20 * SIDE + 30),
        .destination_row_pitch_bytes = 4 * SIDE,
        .row_size_bytes = 40,
        .row_count = 50,
    };
    fm_commands *commands;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    CT_OK(ct_record_set(commands, ct_kernel_set(f), x, SIDE * SIDE, 4));
    CT_OK(fm_fill(commands, y, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_copy_rect(commands, &r));
    CT_OK(ct_record_set(commands, step, x, SIDE * SIDE, 1)); // behind the reading
    CT_OK(ct_record_set(commands, step, y, SIDE * SIDE, 3)); // behind the writing
    for (uint32_t round = 0; round < 3; round++) {
        fm_point point;
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        static uint32_t words[SIDE * SIDE];
        ct_read(f, y, 0, sizeof words, words);
        for (uint32_t i = 0; i < SIDE * SIDE; i++) {
            uint32_t row = i / SIDE, column = i % SIDE;
            bool inside = row >= 20 && row < 70 && column >= 30 && column < 40;
            assert_int_equal(words[i], inside ? 11 : 5);
        }
        ct_expect_words(f, x, SIDE * SIDE, 9);
    }
    CT_OK(fm_commands_cancel(&commands));
}

static void rect_of_nothing_records_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_buffer x = ct_buffer(f, 64), stale = ct_buffer(f, 64);
    CT_OK(fm_buffer_destroy(f->device, stale));
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).transfers;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy_rect(commands, &(fm_copy_rect_info){.source = x, .destination = x}));
    CT_OK(fm_copy_rect(commands, &(fm_copy_rect_info){.source = x, .destination = x, .row_size_bytes = 99}));
    CT_OK(fm_copy_rect(commands, &(fm_copy_rect_info){
                                     .source = x, .source_offset_bytes = 64, .destination = x, .row_count = 99}));
    CT_STATUS(fm_copy_rect(commands, &(fm_copy_rect_info){.source = x, .source_offset_bytes = 65, .destination = x}),
              FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_copy_rect(commands, &(fm_copy_rect_info){.source = x, .destination = stale}), FM_ERROR_STALE_HANDLE);
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).transfers, before);
}

static void rect_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer x = ct_buffer(f, 100), y = ct_buffer(f, 100);
    fm_commands *commands = ct_begin(f);
    const fm_copy_rect_info good = {.source = x, .destination = y, .row_size_bytes = 10, .row_count = 5};
    const struct {
        fm_status status;
        uint64_t row_pitch, slice_pitch, row_size, rows, slices, offset;
    } cases[] = {
        {FM_ERROR_INVALID_ARGUMENT, 9, 0, 10, 5, 1, 0},   // rows overlap each other
        {FM_ERROR_INVALID_ARGUMENT, 10, 49, 10, 5, 2, 0}, // slices do
        {FM_ERROR_OUT_OF_RANGE, 0, 0, 10, 11, 1, 0},
        {FM_ERROR_OUT_OF_RANGE, 0, 0, 10, 10, 1, 1},
        {FM_ERROR_OUT_OF_RANGE, 23, 0, 10, 5, 1, 0}, // 102 bytes
        {FM_ERROR_OUT_OF_RANGE, 0, 51, 10, 5, 2, 0}, // 101 bytes
        {FM_ERROR_OUT_OF_RANGE, UINT64_MAX, 0, 10, 2, 1, 0},
        {FM_ERROR_OUT_OF_RANGE, UINT64_MAX / 4 + 1, 0, 10, 5, 1, 0}, // 2^64 + 10: wraps to 10
        {FM_ERROR_OUT_OF_RANGE, 0, 0, 1, UINT64_MAX, 1, 0},          // FM_WHOLE_SIZE by chance
        {FM_ERROR_OUT_OF_RANGE, 0, 0, UINT64_MAX, 1, 1, 0},
        {FM_ERROR_OUT_OF_RANGE, 0, UINT64_C(1) << 63, 10, 5, 3, 0},
        {FM_ERROR_OUT_OF_RANGE, 0, 0, UINT64_C(1) << 32, UINT64_C(1) << 32, 2, 0},
        {FM_ERROR_OUT_OF_RANGE, 0, 0, 1, 1, 1, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_copy_rect_info r = good;
        r.row_size_bytes = cases[i].row_size;
        r.row_count = cases[i].rows;
        r.slice_count = cases[i].slices;
        fm_copy_rect_info s = r;
        r.source_row_pitch_bytes = cases[i].row_pitch;
        r.source_slice_pitch_bytes = cases[i].slice_pitch;
        r.source_offset_bytes = cases[i].offset;
        CT_STATUS(fm_copy_rect(commands, &r), cases[i].status);
        assert_non_null(strstr(fm_last_error(), "fm_copy_rect: source: "));
        if (cases[i].row_size * cases[i].rows * cases[i].slices > 100 || cases[i].row_size > 100) continue;
        s.destination_row_pitch_bytes = cases[i].row_pitch;
        s.destination_slice_pitch_bytes = cases[i].slice_pitch;
        s.destination_offset_bytes = cases[i].offset;
        CT_STATUS(fm_copy_rect(commands, &s), cases[i].status);
        assert_non_null(strstr(fm_last_error(), "fm_copy_rect: destination: "));
    }
    CT_STATUS(fm_copy_rect(commands, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_copy_rect(NULL, &good), FM_ERROR_INVALID_ARGUMENT);
    fm_copy_rect_info null = good;
    null.destination = (fm_buffer){0};
    CT_STATUS(fm_copy_rect(commands, &null), FM_ERROR_NULL_HANDLE);
    ct_finish(f, commands);
    ct_expect_bytes(f, y, 0, 100, 0);
}

int ct_group_rect(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(rect_of_any_layout_moves_exactly_its_rows), CT_TEST(rect_within_one_buffer_moves_between_columns),
        CT_TEST(rect_keeps_its_place_among_other_commands), CT_TEST(rect_of_nothing_records_nothing),
        CT_TEST(rect_with_bad_arguments_is_refused),
    };
    return cmocka_run_group_tests_name("rect", tests, NULL, NULL);
}
