// Macros: their definitions, and their text in place of their names. See preprocessor.h.
// Expansion is C's, without `#` and `##`. What it makes has the place of the macro's use, arguments their own. The
// user's text decides how much is made, so that is bounded.
#include "language/preprocessor.h"

#include "language/tree.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 64, MAX_DEPTH = 64, MAX_MADE = 1 << 20 };

bool fmi_preprocess_is_defined(const fmi_tok *name)
{
    const fmi_declared *declared = name->name->declared;
    return name->name->macro || (declared && declared->kind == FMI_DECLARED_SPECIAL);
}

static bool is_same(const fmi_tok *a, const fmi_tok *b)
{
    return a->kind == b->kind && a->length == b->length && memcmp(a->start, b->start, a->length) == 0;
}

static bool is_same_text(const fmi_tok *a, const fmi_tok *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_same(&a[i], &b[i]) || (i > 0 && a[i].is_spaced != b[i].is_spaced)) {
            return false;
        }
    }
    return true;
}

static void check_name(fmi_reading *reading, const fmi_tok *name)
{
    if (name->kind != FMI_TOK_NAME) {
        fmi_tok_fail(reading, name, "a macro's name is missing here");
        return;
    }
    uint8_t kind = name->name->term.kind;
    if ((kind != FMI_TERM_NONE && kind != FMI_TERM_FUNCTION && kind != FMI_TERM_VALUE) || fmi_tok_is(name, "defined")) {
        fmi_tok_fail(reading, name, "'@' is a word of the language, which no macro may change");
    } else if (!fmi_term_is_free(name->start, name->length)) {
        fmi_tok_fail(reading, name, "names that start with fm_ or gl_ are reserved");
    } else if (name->name->declared) {
        fmi_tok_fail(reading, name, "'@' is a name of the kernel: a macro needs another name");
    }
}

// The name of one parameter more; `out->param_tokens` are those before it.
static void add_param(fmi_reading *reading, const fmi_tok *token, fmi_macro *out)
{
    for (uint32_t i = 0; i < out->param_tokens; i++) {
        if (is_same(&out->params[i], token)) {
            fmi_tok_fail(reading, token, "the macro has this parameter twice");
        }
    }
    if (++out->param_count > MAX_PARAMS) {
        fmi_tok_fail(reading, token, "a macro has more than %d parameters", (int)MAX_PARAMS);
    }
}

// Reads `(a, b)` behind a macro's name, whose parenthesis is line[1]; gives the number of tokens up to and with the
// closing one.
static uint32_t read_params(fmi_reading *reading, const fmi_tok *line, uint32_t count, fmi_macro *out)
{
    bool wants_name = false;
    out->is_function = true;
    out->params = line + 2;
    for (uint32_t i = 2; i < count && reading->status == FM_OK; i++) {
        const fmi_tok *token = &line[i];
        bool is_name = token->kind == FMI_TOK_NAME;
        bool expects_comma = out->param_count > 0 && !wants_name;
        out->param_tokens = i - 2;
        if (token->op == ')' && !wants_name) {
            return i + 1;
        }
        if (expects_comma ? token->op != ',' : !is_name) {
            fmi_tok_fail(reading, token, "the parameters of a macro are names with commas between");
        } else if (is_name) {
            add_param(reading, token, out);
        }
        wants_name = !is_name;
    }
    fmi_tok_fail(reading, &line[1], "the parameters of macro '%.*s' have no ')'", (int)out->name->length,
                 out->name->start);
    return count;
}

static bool is_same_macro(const fmi_macro *a, const fmi_macro *b)
{
    return a->is_function == b->is_function && a->param_tokens == b->param_tokens && a->text_count == b->text_count &&
           is_same_text(a->params, b->params, a->param_tokens) && is_same_text(a->text, b->text, a->text_count);
}

void fmi_preprocess_define(fmi_reading *reading, const fmi_tok *line, uint32_t count)
{
    fmi_macro macro = {.name = line};
    uint32_t at = 1;
    check_name(reading, line);
    if (count > 1 && line[1].op == '(' && !line[1].is_spaced) {
        at = read_params(reading, line, count, &macro);
    } else if (count > 1 && !line[1].is_spaced) {
        fmi_tok_fail(reading, &line[1], "a blank is missing between the macro's name and its text");
    }
    if (reading->status != FM_OK) {
        return;
    }
    macro.text = line + at;
    macro.text_count = count - at;
    const fmi_macro *old = line->name->macro;
    if (old && !is_same_macro(old, &macro)) {
        fmi_tok_fail(reading, line, "macro '@' has another text already (line %u); #undef it first", old->name->line);
    }
    if (!old) {
        line->name->macro = fmi_arena_alloc(reading->names.arena, sizeof macro);
        if (!line->name->macro) {
            fmi_reading_fail_memory(reading);
            return;
        }
        *line->name->macro = macro;
    }
}

void fmi_preprocess_undefine(fmi_reading *reading, const fmi_tok *line, uint32_t count)
{
    check_name(reading, line);
    if (count > 1) {
        fmi_tok_fail(reading, &line[1], "nothing may stand behind the macro's name");
    }
    if (reading->status == FM_OK) {
        line->name->macro = NULL;
    }
}

static void push(fmi_reading *reading, const fmi_tok *token, fmi_toks *out)
{
    if (++reading->made > MAX_MADE) {
        fmi_tok_fail(reading, token, "macros make more than %d tokens of this text", (int)MAX_MADE);
        return;
    }
    fmi_toks_push(reading, out, token);
}

static uint32_t find_param(const fmi_macro *macro, const fmi_tok *name)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i < macro->param_tokens; i++) {
        if (macro->params[i].kind == FMI_TOK_NAME) {
            if (macro->params[i].name == name->name) {
                return index;
            }
            index++;
        }
    }
    return UINT32_MAX;
}

// Puts the macro's text into `out`, arguments in the place of parameters, as it stands for the use at `place`.
static void substitute(fmi_reading *reading, const fmi_macro *macro, const fmi_tok *place, const fmi_toks *arguments,
                       fmi_toks *out)
{
    for (uint32_t i = 0; i < macro->text_count && reading->status == FM_OK; i++) {
        fmi_tok token = macro->text[i];
        uint32_t param = token.kind == FMI_TOK_NAME && arguments ? find_param(macro, &token) : UINT32_MAX;
        if (param != UINT32_MAX) {
            for (uint32_t k = 0; k < arguments[param].count && reading->status == FM_OK; k++) {
                fmi_tok given = arguments[param].list[k];
                given.is_final = true;
                push(reading, &given, out);
            }
            continue;
        }
        token.line = place->line;
        token.column = place->column;
        token.macro = place->macro ? place->macro : macro->name->name;
        push(reading, &token, out);
    }
}

// Expands one use; `arguments` is NULL where the macro takes none.
static void expand_use(fmi_reading *reading, fmi_macro *macro, const fmi_tok *place, const fmi_toks *arguments,
                       fmi_toks *out, uint32_t depth)
{
    fmi_toks text = {0};
    substitute(reading, macro, place, arguments, &text);
    macro->is_active = true;
    fmi_preprocess_expand(reading, text.list, text.count, out, depth + 1);
    macro->is_active = false;
    fmi_toks_free(&text);
}

// Reads the arguments in `( a, b )`, whose parenthesis is list[0], each expanded by itself, into `arguments`, which has
// room for the macro's; the index of the closing one.
static uint32_t read_arguments(fmi_reading *reading, const fmi_macro *macro, const fmi_tok *name, const fmi_tok *list,
                               uint32_t count, fmi_toks *arguments, uint32_t depth)
{
    uint32_t given = 0, first = 1, nested = 0, i = 0;
    for (; i < count && reading->status == FM_OK; i++) {
        bool is_end = nested == 1 && list[i].op == ')';
        if (is_end || (nested == 1 && list[i].op == ',')) {
            bool is_none = is_end && given == 0 && macro->param_count == 0 && i == first;
            if (!is_none && given++ < macro->param_count) {
                fmi_preprocess_expand(reading, list + first, i - first, &arguments[given - 1], depth + 1);
            }
            first = i + 1;
        }
        if (is_end) {
            break;
        }
        nested += list[i].op == '(';
        nested -= list[i].op == ')';
    }
    if (i == count) {
        fmi_tok_fail(reading, name, "the arguments of macro '@' have no ')'");
    } else if (given != macro->param_count) {
        fmi_tok_fail(reading, name, "macro '@' takes %u arguments, not %u", macro->param_count, given);
    }
    return i;
}

// Expands `name ( … )`, whose parenthesis is list[0]; the index of the closing one.
static uint32_t expand_call(fmi_reading *reading, fmi_macro *macro, const fmi_tok *name, const fmi_tok *list,
                            uint32_t count, fmi_toks *out, uint32_t depth)
{
    fmi_toks *arguments = calloc(macro->param_count + 1, sizeof *arguments);
    if (!arguments) {
        fmi_reading_fail_memory(reading);
        return 0;
    }
    uint32_t close = read_arguments(reading, macro, name, list, count, arguments, depth);
    expand_use(reading, macro, name, arguments, out, depth);
    for (uint32_t k = 0; k < macro->param_count; k++) {
        fmi_toks_free(&arguments[k]);
    }
    free(arguments);
    return close;
}

void fmi_preprocess_expand(fmi_reading *reading, const fmi_tok *list, uint32_t count, fmi_toks *out, uint32_t depth)
{
    if (depth > MAX_DEPTH && count) {
        fmi_tok_fail(reading, list, "macros are nested more than %d deep", (int)MAX_DEPTH);
    }
    for (uint32_t i = 0; i < count && reading->status == FM_OK; i++) {
        const fmi_tok *token = &list[i];
        fmi_macro *macro = token->kind == FMI_TOK_NAME && !token->is_final ? token->name->macro : NULL;
        bool is_call = macro && macro->is_function && i + 1 < count && list[i + 1].op == '(';
        if (!macro || macro->is_active || (macro->is_function && !is_call)) {
            if (depth) {
                push(reading, token, out);
            } else {
                fmi_toks_push(reading, out, token);
            }
        } else if (!is_call) {
            expand_use(reading, macro, token, NULL, out, depth);
        } else {
            i += 1 + expand_call(reading, macro, token, list + i + 1, count - i - 1, out, depth);
        }
    }
}

void fmi_preprocess_body(fmi_reading *reading, const fmi_toks *raw, fmi_toks *out)
{
    *out = (fmi_toks){.text = raw->text, .length = raw->length, .place = raw->place};
    fmi_preprocess_expand(reading, raw->list, raw->count, out, 0);
    fmi_toks_end(reading, out);
    reading->text = out;
}
