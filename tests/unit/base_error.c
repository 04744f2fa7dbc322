// The last error: who adds what in which order, what replaces what, and that nothing long does harm.
#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void error_is_call_subject_and_cause(void **state)
{
    (void)state;
    assert_int_equal(fmi_fail(FM_ERROR_COMPILE, "line %d", 2), FM_ERROR_COMPILE);
    assert_string_equal(fm_last_error(), "line 2");
    fmi_error_about("kernel '%s'", "axpy");
    fmi_error_about("binding %u", 1u);
    assert_string_equal(fm_last_error(), "binding 1: kernel 'axpy': line 2");
    fmi_error_in("fm_dispatch");
    assert_string_equal(fm_last_error(), "fm_dispatch: binding 1: kernel 'axpy': line 2");
    fmi_error_more("so it is");
    assert_string_equal(fm_last_error(), "fm_dispatch: binding 1: kernel 'axpy': line 2: so it is");
}

static void error_answers_for_the_outermost_call(void **state)
{
    (void)state;
    assert_int_equal(fmi_fail_in("fm_read", FM_ERROR_OUT_OF_RANGE, "fm_copy: is a word of the cause"),
                     FM_ERROR_OUT_OF_RANGE);
    fmi_error_about("source");
    fmi_error_in("fm_buffer_read");
    assert_string_equal(fm_last_error(), "fm_buffer_read: source: fm_copy: is a word of the cause");
    assert_int_equal(fmi_error_as(FM_TIMEOUT), FM_TIMEOUT);
    fmi_error_state saved;
    fmi_error_save(&saved);
    assert_int_equal(saved.status, FM_TIMEOUT);
}

static void error_of_an_object_names_it(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    fmi_fail_of("kernel", name, FM_ERROR_COMPILE, "it does not compile");
    char expected[200];
    snprintf(expected, sizeof expected, "kernel '%.100s': it does not compile", name);
    assert_string_equal(fm_last_error(), expected);
}

static void error_is_replaced_whole(void **state)
{
    (void)state;
    fmi_fail_in("fm_commit", FM_ERROR_BUSY, "a");
    fmi_error_about("after");
    fmi_fail(FM_ERROR_BACKEND, "b");
    assert_string_equal(fm_last_error(), "b");
    fmi_fail_in("fm_commit", FM_ERROR_BUSY, "c");
    fmi_answer(FM_NOT_READY);
    assert_string_equal(fm_last_error(), fm_status_text(FM_NOT_READY));
    // The arguments of one error may be another's words.
    fmi_fail_in("fm_commit", FM_ERROR_BUSY, "d");
    fmi_fail(FM_ERROR_BUSY, "e, since %s", fm_last_error());
    assert_string_equal(fm_last_error(), "e, since fm_commit: d");
}

static void error_that_is_kept_comes_back(void **state)
{
    (void)state;
    fmi_fail_in("fm_commit", FM_ERROR_BUSY, "mine");
    fmi_error_about("after");
    const char *sentence = fm_last_error();
    fmi_error_state mine;
    fmi_error_save(&mine);
    fmi_fail(FM_ERROR_BACKEND, "somebody else's");
    char text[64];
    fmi_error_describe(text, sizeof text);
    assert_string_equal(text, "somebody else's");
    fmi_error_restore(&mine);
    assert_string_equal(fm_last_error(), "fm_commit: after: mine");
    assert_ptr_equal(fm_last_error(), sentence);
    fmi_error_describe(text, sizeof text);
    assert_string_equal(text, "after: mine");
    char few[9];
    fmi_error_describe(few, sizeof few);
    assert_string_equal(few, "after: m");
}

static void error_of_any_length_ends_in_its_room(void **state)
{
    (void)state;
    static char text[9000];
    memset(text, 'x', sizeof text - 1);
    fmi_fail_in(text, FM_ERROR_COMPILE, "%s", text);
    for (int i = 0; i < 20; i++) {
        fmi_error_about("%.90s", text);
        fmi_error_more("%s", text);
    }
    fmi_error_about("%s", text);
    fmi_error_state kept;
    fmi_error_save(&kept);
    assert_int_equal(strlen(kept.call), sizeof kept.call - 1);
    assert_int_equal(strlen(kept.subject), sizeof kept.subject - 1);
    assert_int_equal(strlen(kept.cause), sizeof kept.cause - 1);
    assert_int_equal(strlen(fm_last_error()), strlen(kept.call) + 2 + strlen(kept.subject) + 2 + strlen(kept.cause));
}

static void *ask(void *unused)
{
    (void)unused;
    return (void *)(uintptr_t)(strlen(fm_last_error()) == 0);
}

static void error_is_its_threads_own(void **state)
{
    (void)state;
    fmi_fail(FM_ERROR_BUSY, "of this thread");
    pthread_t thread;
    void *is_empty;
    assert_int_equal(pthread_create(&thread, NULL, ask, NULL), 0);
    pthread_join(thread, &is_empty);
    assert_non_null(is_empty);
    assert_string_equal(fm_last_error(), "of this thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_is_call_subject_and_cause), cmocka_unit_test(error_answers_for_the_outermost_call),
        cmocka_unit_test(error_of_an_object_names_it),     cmocka_unit_test(error_is_replaced_whole),
        cmocka_unit_test(error_that_is_kept_comes_back),   cmocka_unit_test(error_of_any_length_ends_in_its_room),
        cmocka_unit_test(error_is_its_threads_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
