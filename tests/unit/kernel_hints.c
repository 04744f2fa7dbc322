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

enum { MOST_NAMES = 1024, MAX_WRITTEN = 64 };

// A name of the table, and what its row says.
struct row {
    char name[MAX_WRITTEN];
    const char *text;
    bool is_word; // `text` is a word of the language
};

static size_t collect_rows(struct row *rows)
{
    const char *text, *names;
    size_t count = 0;
    for (size_t i = 0; fmi_hint_at(i, &text, &names); i++) {
        fmi_term_kind kind = (fmi_term_kind)fmi_term_find(text, strlen(text)).kind;
        for (const char *at = names; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            assert_true(count < MOST_NAMES && length < MAX_WRITTEN);
            struct row *row = &rows[count++];
            snprintf(row->name, sizeof row->name, "%.*s", (int)length, at);
            row->text = text;
            row->is_word = kind != FMI_TERM_NONE && kind != FMI_TERM_FOREIGN;
            at += length;
        }
    }
    return count;
}

// The table's own rows.
static void hint_of_every_row_is_said_wherever_its_word_stands(void **state)
{
    (void)state;
    static struct row rows[MOST_NAMES];
    size_t count = collect_rows(rows);
    for (size_t i = 0; i < count; i++) {
        char hint[FMI_MAX_HINT], *open = strchr(rows[i].name, '*');
        if (open) *open = 'Q';
        snprintf(hint, sizeof hint, rows[i].is_word ? "; here it is called '%s'" : "; %s", rows[i].text);
        expect_hint("x[0] = %s(1.0);", rows[i].name, hint);
        expect_hint("x[0] = 1.0 + %s;", rows[i].name, hint);
        expect_hint("%s v;", rows[i].name, hint);
        expect_hint("uint i = %s.x;", rows[i].name, hint);
    }
    assert_true(count > 300);
}

static void hint_rows_are_of_words_that_the_language_lacks(void **state)
{
    (void)state;
    static struct row rows[MOST_NAMES];
    size_t count = collect_rows(rows);
    for (size_t i = 0; i < count; i++) {
        fmi_term_kind own = (fmi_term_kind)fmi_term_find(rows[i].name, strlen(rows[i].name)).kind;
        if (own != FMI_TERM_NONE && own != FMI_TERM_FOREIGN) fail_msg("'%s' is a word by now", rows[i].name);
        if (!rows[i].is_word && !strchr(rows[i].text, ' ')) fail_msg("'%s' is no word", rows[i].text);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(rows[i].name, rows[k].name) == 0) fail_msg("'%s' has two rows", rows[i].name);
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
