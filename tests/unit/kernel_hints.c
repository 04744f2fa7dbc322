// Hints: each row of the table is what a refusal says, wherever the word stands; and no row is about a word that the language has.
#include "base/error.h"
#include "kernel/generate.h"
#include "language/hints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What a refusal of this body says; "" where it is taken.
static const char *refusal_of(const char *body)
{
    const fm_kernel_param param = {"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE};
    const fm_kernel_info info = {.name = "hint", .code = body, .params = &param, .param_count = 1};
    fmi_kernel_source *source = fmi_kernel_source_create(&info);
    assert_non_null(source);
    uint32_t features = 0;
    fm_status status = fmi_generate_check(source, &features);
    fmi_kernel_source_destroy(source);
    return status == FM_ERROR_COMPILE ? fm_last_error() : "";
}

static void expect_hint(const char *format, const char *name, const char *hint)
{
    char body[256];
    snprintf(body, sizeof body, format, name);
    const char *said = refusal_of(body);
    if (!strstr(said, hint)) {
        fail_msg("'%s' says '%s', and nothing of '%s'", body, said, hint);
    }
}

// The table's own rows.
static void hint_of_every_row_is_said_wherever_its_word_stands(void **state)
{
    (void)state;
    const char *name, *word, *advice;
    size_t count = 0;
    for (; fmi_hint_at(count, &name, &word, &advice); count++) {
        char written[64], hint[FMI_MAX_HINT];
        size_t length = strlen(name);
        bool is_open = name[length - 1] == '*';
        snprintf(written, sizeof written, "%.*s%s", (int)(length - is_open), name, is_open ? "Q" : "");
        snprintf(hint, sizeof hint, word ? "; here it is called '%s'" : "; %s", word ? word : advice);
        assert_true((word == NULL) != (advice == NULL));
        expect_hint("x[0] = %s(1.0);", written, hint);
        expect_hint("x[0] = 1.0 + %s;", written, hint);
        expect_hint("%s v;", written, hint);
        expect_hint("uint i = %s.x;", written, hint);
    }
    assert_true(count > 200);
}

static void hint_rows_are_of_words_that_the_language_lacks(void **state)
{
    (void)state;
    const char *name, *word, *advice;
    for (size_t i = 0; fmi_hint_at(i, &name, &word, &advice); i++) {
        fmi_term_kind own = (fmi_term_kind)fmi_term_find(name, strlen(name)).kind;
        if (own != FMI_TERM_NONE && own != FMI_TERM_FOREIGN) fail_msg("'%s' is a word by now", name);
        own = word ? (fmi_term_kind)fmi_term_find(word, strlen(word)).kind : FMI_TERM_NONE;
        if (word && (own == FMI_TERM_NONE || own == FMI_TERM_FOREIGN)) fail_msg("'%s' is no word", word);
        const char *other, *ignored;
        for (size_t k = 0; k < i && fmi_hint_at(k, &other, &ignored, &ignored); k++) {
            if (strcmp(name, other) == 0) fail_msg("'%s' has two rows", name);
        }
    }
}

// What C, CUDA and OpenCL put around a function's name, and names that end in numbers.
static void hint_of_a_form_of_a_name_is_that_of_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *hint;
    } cases[] = {
        {"powf", "here it is called 'pow'"},
        {"__expf", "here it is called 'exp'"},
        {"native_exp", "here it is called 'exp'"},
        {"half_rsqrt", "here it is called 'rsqrt'"},
        {"fabsf", "here it is called 'abs'"},
        {"fmaxf", "here it is called 'max'"},
        {"fast_sin", "here it is called 'sin'"},
        {"inversesqrt", "here it is called 'rsqrt'"},
        {"atomicAdd", "here it is called 'atomic_add'"},
        {"float4", "there are no vectors"},
        {"vec2", "there are no vectors"},
        {"uchar16", "there are no vectors"},
        {"mat3x4", "there are no vectors"},
        {"ulong2", "there are no vectors"},
        {"squrt", "do you mean 'sqrt'?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_hint("x[0] = %s(1.0);", cases[i].name, cases[i].hint);
    }
    static const char *const none[] = {"zzzz", "powx", "__", "f", "floatx", "half_", "native_f"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        char hint[FMI_MAX_HINT] = "?";
        fmi_hint_find(none[i], strlen(none[i]), hint);
        assert_string_equal(hint, "");
    }
}

static void hint_of_a_misspelt_id_names_the_id(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"globalid", "global_id"},       {"local_Id", "local_id"},   {"GroupId", "group_id"},
        {"globalID", "global_id"},       {"golbal_id", "global_id"}, {"groupCount", "group_count"},
        {"group_siz", "group_size"},     {"localId", "local_id"},    {"GLOBAL_ID", "global_id"},
        {"groups_count", "group_count"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char hint[FMI_MAX_HINT];
        snprintf(hint, sizeof hint, "; do you mean '%s'?", cases[i][1]);
        expect_hint("uint i = %s.x;", cases[i][0], hint);
        expect_hint("uint i = %s;", cases[i][0], hint);
    }
    assert_non_null(strstr(refusal_of("uint i = thing.x;"), "'thing' is none: there are no structs and no vectors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hint_of_every_row_is_said_wherever_its_word_stands),
        cmocka_unit_test(hint_rows_are_of_words_that_the_language_lacks),
        cmocka_unit_test(hint_of_a_form_of_a_name_is_that_of_the_name),
        cmocka_unit_test(hint_of_a_misspelt_id_names_the_id),
    };
    return cmocka_run_group_tests_name("kernel_hints", tests, NULL, NULL);
}
