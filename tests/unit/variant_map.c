// What finds a variant: the key, in which everything that makes the code changes something, and a kernel's own map from dtypes to handles, which
// is read without a lock while others change it (KEY-2).
#include "cache_fixture.h"

#include "variant/key.h"
#include "variant/map.h"

#include <pthread.h>

static const fmi_backend_ops best = {.prefix = "best"};
static const fmi_key_makers makers = {&ops, &caps, {0}};

static void key_changes_with_everything_that_makes_the_code_key_2(void **state)
{
    (void)state;
    enum { CODES = 11, KEYS = CODES + 7 };
    fmi_kernel_code codes[CODES];
    fmi_backend_caps devices[3] = {caps, caps, caps};
    for (int i = 0; i < CODES; i++) {
        codes[i] = (fmi_kernel_code){.name = "k", .span_count = 2, .binding_numbers = {0, 1}, .group_size = {64, 1, 1}};
    }
    codes[1].binding_mode = FM_BINDING_DESCRIPTORS;
    codes[2].indirect_arguments = true;
    codes[3].wants_group_count = true;
    codes[4].wants_group_base = true;
    codes[5].binding_numbers[1] = 2;
    codes[6].arguments_binding = 3;
    codes[7].constants_size_bytes = 4;
    codes[8].group_size[2] = 2;
    codes[9].wants_barriers = true;
    codes[10].wants_barriers = true;
    codes[10].name = "named_in_its_failures";
    devices[1].driver_version++;
    devices[2].device_uuid[15]++;
    fmi_text keys[KEYS] = {0};
    for (int i = 0; i < CODES; i++) {
        fmi_key_write(&keys[i], FMI_KEY_GLSL, &makers, &codes[i], "text", 4);
    }
    fmi_key_write(&keys[CODES], FMI_KEY_GLSL, &(fmi_key_makers){&ops, &devices[1], {0}}, &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 1], FMI_KEY_GLSL, &(fmi_key_makers){&ops, &devices[2], {0}}, &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 2], FMI_KEY_C, &makers, &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 3], FMI_KEY_GLSL, &makers, &codes[0], "test", 4);
    fmi_key_write(&keys[CODES + 4], FMI_KEY_GLSL, &(fmi_key_makers){&best, &caps, {0}}, &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 5], FMI_KEY_GLSL, &makers, NULL, "text", 4);
    fmi_key_write(&keys[CODES + 6], FMI_KEY_GLSL, &(fmi_key_makers){&ops, &caps, {0, 0, 1}}, &codes[0], "text", 4);
    for (int i = 0; i < KEYS; i++) {
        for (int j = 0; j < i; j++) {
            assert_false(keys[i].length == keys[j].length && memcmp(keys[i].data, keys[j].data, keys[i].length) == 0);
        }
    }
    for (int i = 0; i < KEYS; i++) {
        fmi_text_free(&keys[i]);
    }
}

static void key_of_code_without_barriers_has_no_name_in_it_key_2(void **state)
{
    (void)state;
    fmi_text keys[2] = {0};
    for (int i = 0; i < 2; i++) {
        const fmi_kernel_code code = {.name = i ? "one" : "another", .group_size = {64, 1, 1}};
        fmi_key_write(&keys[i], FMI_KEY_C, &makers, &code, "text", 4);
    }
    assert_int_equal(keys[0].length, keys[1].length);
    assert_memory_equal(keys[0].data, keys[1].data, keys[0].length);
    fmi_text_free(&keys[0]);
    fmi_text_free(&keys[1]);
}

static void map_random_changes_match_a_plain_array(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    fixture f;
    set_up(&f, 1 << 20, UINT64_MAX, NULL);
    fmi_variant_map map = {.used = 0};
    fmi_variant *variants[KEYS] = {NULL};
    srand(17);
    for (int step = 0; step < 20000; step++) {
        uint32_t k = (uint32_t)rand() % KEYS;
        uint64_t dtypes = (uint64_t)k << 40 | k % 7;
        uint64_t found = fmi_variant_map_find(&map, dtypes);
        if (variants[k]) {
            assert_int_equal(found, variants[k]->id);
            if (rand() % 3 == 0) { // dies behind the map's back
                assert_int_equal(fmi_table_kill(&f.cache.variants, variants[k]->id), FM_OK);
                variants[k] = NULL;
            }
        } else {
            assert_true(found == 0 || !fmi_table_find(&f.cache.variants, found));
            fmi_kernel_binary *binary = malloc(sizeof *binary);
            f.backend.made++;
            assert_int_equal(fmi_cache_wrap(&f.cache, binary, &variants[k]), FM_OK);
            fmi_variant_map_set(&map, &f.cache.variants, dtypes, variants[k]->id);
        }
    }
    assert_true(map.places->capacity <= 1024); // the dead are forgotten before it grows
    fmi_variant_map_free(&map);
    tear_down(&f);
}

typedef struct map_reader {
    fmi_variant_map *map;
    _Atomic(bool) stop;
    _Atomic(bool) is_wrong;
} map_reader;

static void *read_map(void *user)
{
    map_reader *r = user;
    for (uint64_t k = 0; !atomic_load(&r->stop); k = (k + 1) % 64) {
        uint64_t id = fmi_variant_map_find(r->map, k);
        if (id != 0 && (id >> 32) != k + 1) { // every handle tells its own key here
            atomic_store(&r->is_wrong, true);
        }
    }
    return NULL;
}

static void map_readers_never_take_another_keys_handle_key_2(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 10, 1 << 20, NULL);
    fmi_variant_map map = {.used = 0};
    map_reader r = {.map = &map};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_map, &r), 0);
    // No such handle is alive, so the map forgets all whenever it is full, and fills the same places with other keys.
    for (uint32_t i = 0; i < 3000000; i++) {
        uint64_t k = i * UINT64_C(2654435761) >> 7 & 63;
        fmi_variant_map_set(&map, &f.cache.variants, k, (k + 1) << 32 | 2);
    }
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    assert_false(atomic_load(&r.is_wrong));
    assert_true(map.version > 1000);
    fmi_variant_map_free(&map);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_changes_with_everything_that_makes_the_code_key_2),
        cmocka_unit_test(key_of_code_without_barriers_has_no_name_in_it_key_2),
        cmocka_unit_test(map_random_changes_match_a_plain_array),
        cmocka_unit_test(map_readers_never_take_another_keys_handle_key_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
