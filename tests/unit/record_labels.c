// Labels: a command's path names the open groups, and however many are open a group costs about its own name.
#include "record/label.h"
#include "record/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const fmi_backend_caps caps;
static fmi_record_room room = {.caps = &caps};
static fm_commands *commands;

static int set_up(void **state)
{
    (void)state;
    fmi_record_room_init(&room);
    return fmi_recorder_begin(&room, NULL, &commands) != FM_OK;
}

static int tear_down(void **state)
{
    (void)state;
    fmi_record_drop_list(&room, fmi_recorder_finish(commands));
    fmi_record_room_destroy(&room);
    return 0;
}

static void push(const char *label)
{
    assert_int_equal(fm_label_push(commands, label), FM_OK);
}

static const char *path(void)
{
    return commands->labels ? commands->labels->path : "";
}

static size_t arena_bytes(void)
{
    size_t bytes = 0;
    for (const fmi_arena_chunk *chunk = commands->list->arena.first; chunk; chunk = chunk->next) {
        bytes += chunk->size_bytes;
    }
    return bytes;
}

static void labels_name_all_open_groups(void **state)
{
    (void)state;
    push("layer 3");
    assert_string_equal(path(), "layer 3");
    push("attention");
    push("");
    assert_string_equal(path(), "layer 3/attention/");
    assert_int_equal(fm_label_pop(commands), FM_OK);
    assert_string_equal(path(), "layer 3/attention");
    push("softmax");
    assert_string_equal(path(), "layer 3/attention/softmax");
}

// The whole path up to 255 bytes, then the innermost groups that fit behind the dots.
static void labels_of_a_long_path_keep_the_innermost_groups(void **state)
{
    (void)state;
    char label[32], whole[2048] = "";
    for (int i = 0; i < 60; i++) {
        snprintf(label, sizeof label, "group %02d", i);
        push(label);
        snprintf(whole + strlen(whole), sizeof whole - strlen(whole), "%s%s", i ? "/" : "", label);
        size_t length = strlen(path());
        if (strlen(whole) <= FMI_LABEL_PATH_BYTES) {
            assert_string_equal(path(), whole);
            continue;
        }
        assert_in_range(length, FMI_LABEL_PATH_BYTES - strlen("/group 00"), FMI_LABEL_PATH_BYTES);
        assert_memory_equal(path(), ".../group ", 10);
        assert_string_equal(path() + 4, whole + strlen(whole) - (length - 4)); // its end, from a group's beginning
    }
    for (int i = 59; i > 0; i--) {
        snprintf(label, sizeof label, "group %02d", i);
        assert_string_equal(path() + strlen(path()) - strlen(label), label);
        assert_int_equal(fm_label_pop(commands), FM_OK);
    }
    assert_string_equal(path(), "group 00");
}

// One name is kept whole, however long.
static void labels_keep_a_long_name_whole(void **state)
{
    (void)state;
    static char name[1000];
    memset(name, 'n', sizeof name - 1);
    push("outer");
    push(name);
    assert_memory_equal(path(), ".../", 4);
    assert_string_equal(path() + 4, name);
    push("inner");
    assert_string_equal(path(), ".../inner");
}

// 8,000 groups that nobody closes: with whole paths they would take 670 MB.
static void labels_that_stay_open_cost_about_their_names(void **state)
{
    (void)state;
    enum { GROUPS = 8000 };
    for (int i = 0; i < GROUPS; i++) {
        push("a name of 20 letters");
        assert_true(strlen(path()) <= FMI_LABEL_PATH_BYTES);
    }
    assert_true(arena_bytes() < (size_t)GROUPS * (FMI_LABEL_PATH_BYTES + 64) + (1 << 20));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(labels_name_all_open_groups),
        TEST(labels_of_a_long_path_keep_the_innermost_groups),
        TEST(labels_keep_a_long_name_whole),
        TEST(labels_that_stay_open_cost_about_their_names),
    };
    return cmocka_run_group_tests_name("record_labels", tests, NULL, NULL);
}
