// Arena: allocations are disjoint, aligned, keep their bytes, and chunks are recycled.
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void arena_allocations_are_aligned_and_keep_their_bytes(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    static unsigned char *at[COUNT];
    static size_t size[COUNT];
    fmi_arena arena = {0};
    uint32_t seed = 1;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            size[i] = next_random(&seed) % (i % 100 == 0 ? 100000 : 200);
            at[i] = fmi_arena_alloc(&arena, size[i]);
            assert_non_null(at[i]);
            assert_int_equal((uintptr_t)at[i] % 8, 0);
            memset(at[i], i & 0xff, size[i]);
        }
        for (int i = 0; i < COUNT; i++) {
            for (size_t k = 0; k < size[i]; k++) {
                assert_int_equal(at[i][k], i & 0xff); // nobody wrote over it
            }
        }
        fmi_arena_reset(&arena, 1 << 20);
    }
    fmi_arena_free(&arena);
    assert_null(arena.first);
}

static void arena_reset_keeps_no_more_than_asked(void **state)
{
    (void)state;
    fmi_arena arena = {0};
    for (int i = 0; i < 100; i++) {
        assert_non_null(fmi_arena_alloc(&arena, 10000));
    }
    fmi_arena_reset(&arena, 4096);
    size_t kept = 0;
    for (fmi_arena_chunk *chunk = arena.first; chunk; chunk = chunk->next) {
        kept += chunk->size_bytes;
    }
    assert_true(kept <= 4096);
    char *text = fmi_arena_text(&arena, "held until its point", 4);
    assert_string_equal(text, "held");
    fmi_arena_free(&arena);
}

static void arena_oversized_request_gets_a_chunk_of_its_own(void **state)
{
    (void)state;
    fmi_arena arena = {0};
    char *small = fmi_arena_alloc(&arena, 8);
    char *large = fmi_arena_alloc(&arena, 1 << 20);
    assert_non_null(small);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    assert_non_null(fmi_arena_alloc(&arena, 8));
    fmi_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_allocations_are_aligned_and_keep_their_bytes),
        cmocka_unit_test(arena_reset_keeps_no_more_than_asked),
        cmocka_unit_test(arena_oversized_request_gets_a_chunk_of_its_own),
    };
    return cmocka_run_group_tests_name("base_arena", tests, NULL, NULL);
}
