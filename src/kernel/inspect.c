// The generated source, and the place of an error. See inspect.h.
// Compilers name a line, not a column. So after an error the text is generated once more with each token on a line of its own, whose
// number says which token it is, and compiled again; the first error's line then is the token. libtcc reads one token ahead, so there the
// name that the message quotes is looked for just before.
#include "kernel/inspect.h"

#include "base/error.h"
#include "base/thread.h"
#include "kernel/excerpt.h"
#include "kernel/message.h"

#ifdef FMI_HAVE_VULKAN
#include "kernel/spirv/compile.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fm_status fmi_kernel_write_source(const fmi_backend_caps *caps, const fm_kernel_info *info, fmi_text *out)
{
    fm_status status = fmi_kernel_check_info(caps, info);
    if (status != FM_OK) {
        return status;
    }
    if (info->language != FM_KERNEL_PORTABLE) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "kernel '%s': only portable kernels have a generated source", info->name);
    }
    fmi_generated generated = {.param_count = info->param_count,
                               .binding_mode = caps->binding_mode,
                               .max_push_constants_bytes = caps->max_push_constants_bytes,
                               .has_subgroups = caps->subgroup_size > 1,
                               .is_unchecked = true};
    for (uint32_t i = 0; i < info->param_count; i++) {
        if (info->params[i].dtype == FM_DTYPE_NONE) {
            return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "kernel '%s': parameter '%s' must have a dtype here", info->name,
                            info->params[i].name);
        }
        generated.dtypes |= (uint64_t)info->params[i].dtype << (4 * i);
    }
    fmi_kernel_source *source = fmi_kernel_source_create(info);
    if (!source) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel");
    }
    generated.source = source;
    fenv_t environment;
    fmi_float_enter(&environment);
    status = caps->takes_spirv ? fmi_generate_glsl(&generated) : fmi_generate_c(&generated);
    fmi_float_leave(&environment);
    if (status == FM_OK) {
        fmi_text_append(out, fmi_text_get(&generated.text), generated.text.length);
        status = out->failed ? fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the source") : FM_OK;
    } else {
        char prefix[128];
        snprintf(prefix, sizeof prefix, "kernel '%.100s'", info->name);
        fmi_error_prefix(prefix);
    }
    fmi_text_free(&generated.text);
    fmi_kernel_source_destroy(source);
    return status;
}

// Compiles for the messages alone.
static void compile(const fmi_kernel *kernel, const fmi_generated *generated, fmi_text *log)
{
    const char *text = fmi_text_get(&generated->text);
    if (kernel->caps->takes_spirv) {
#ifdef FMI_HAVE_VULKAN
        uint32_t *words = NULL;
        size_t size_bytes = 0;
        if (fmi_spirv_compile(text, log, &words, &size_bytes) == FM_OK) {
            free(words);
        }
#endif
        return;
    }
    fmi_kernel_code code = {.name = kernel->name, .c_source = text, .span_count = kernel->param_count};
    memcpy(code.group_size, kernel->source->group_size, sizeof code.group_size);
    fmi_kernel_binary *binary;
    if (kernel->ops->create_kernel(kernel->backend, &code, &binary, log) == FM_OK) {
        kernel->ops->destroy_kernel(kernel->backend, binary);
    }
}

static void read_first(const fmi_kernel *kernel, const fmi_generated *generated, fmi_message *out)
{
    fmi_text log = {0};
    compile(kernel, generated, &log);
    fmi_message_read_first(fmi_text_get(&log), out);
    fmi_text_free(&log);
}

static bool is_placed(const fmi_message *message)
{
    return (message->place == FMI_MESSAGE_BODY || message->place == FMI_MESSAGE_HEADER) && message->line > 0;
}

// True if the message quotes this token: 'foo'.
static bool is_quoted(const char *message, const fmi_token *token)
{
    for (const char *p = strchr(message, '\''); p; p = strchr(p + 1, '\'')) {
        if (strncmp(p + 1, token->start, token->length) == 0 && p[1 + token->length] == '\'') {
            return true;
        }
    }
    return false;
}

static bool ends_statement(const fmi_tokens *tokens, uint32_t index)
{
    return fmi_token_is(tokens, index, ";") || fmi_token_is(tokens, index, "{") || fmi_token_is(tokens, index, "}");
}

// A name that the message quotes, at token `at` or before it in its statement; `at` itself if there is none. Types do not count: messages
// quote them for what they say of another token.
static uint32_t find_quoted(const fmi_tokens *tokens, const char *message, uint32_t at)
{
    if (is_quoted(message, &tokens->list[at])) {
        return at;
    }
    for (uint32_t i = at; i != UINT32_MAX && (i == at || !ends_statement(tokens, i));
         i = fmi_token_previous(tokens, i)) {
        const fmi_token *token = &tokens->list[i];
        const fmi_word *word = token->kind == FMI_TOKEN_NAME ? fmi_word_find(token->start, token->length) : NULL;
        if (token->kind == FMI_TOKEN_NAME && !(word && word->kind == FMI_WORD_TYPE) && is_quoted(message, token)) {
            return i;
        }
    }
    return at;
}

// Line and column of what the message is about. `at` is the token that it names; behind the text's last one, what is missing belongs to
// the end.
static void find_place(const fmi_tokens *tokens, const char *message, uint32_t at, uint32_t *out_line,
                       uint32_t *out_column)
{
    uint32_t last = fmi_token_previous(tokens, tokens->count);
    if (last == UINT32_MAX) {
        *out_line = *out_column = 1;
        return;
    }
    bool is_behind = at > last;
    uint32_t found = find_quoted(tokens, message, is_behind ? last : at);
    const fmi_token *token = &tokens->list[found];
    *out_line = token->line;
    *out_column = token->column + (is_behind && found == last && !is_quoted(message, token) ? token->length : 0);
}

// The token that a message without one is about: what it quotes, or else the first of its line.
static uint32_t guess_token(const fmi_tokens *tokens, const fmi_message *message)
{
    uint32_t first = tokens->count;
    for (uint32_t i = 0; i < tokens->count; i++) {
        const fmi_token *token = &tokens->list[i];
        if (token->line != message->line || token->kind == FMI_TOKEN_SPACE) {
            continue;
        }
        if (token->kind == FMI_TOKEN_NAME && is_quoted(message->text, token)) {
            return i;
        }
        first = first == tokens->count ? i : first;
    }
    return first;
}

static void say_place(const fmi_kernel *kernel, const fmi_message *message, bool is_exact)
{
    const fmi_kernel_source *source = kernel->source;
    bool is_header = message->place == FMI_MESSAGE_HEADER;
    const char *text = is_header ? source->header : source->body;
    size_t length = is_header ? source->header_length : source->body_length;
    fmi_unit unit;
    if (fmi_generate_read(source, &unit) != FM_OK) {
        return;
    }
    const fmi_tokens *tokens = is_header ? &unit.header : &unit.body;
    uint32_t line = 1, column = 1;
    uint32_t at = is_exact ? message->line - 1 : guess_token(tokens, message);
    find_place(tokens, message->text, at, &line, &column);
    fmi_unit_free(&unit);
    fmi_text excerpt = {0};
    fmi_excerpt_append(&excerpt, text, length, line, column);
    fmi_fail(FM_ERROR_COMPILE, "kernel '%s' does not compile: %sline %u, column %u: %s%s", kernel->name,
             is_header ? "header " : "", line, column, message->text, fmi_text_get(&excerpt));
    fmi_text_free(&excerpt);
}

void fmi_kernel_locate_error(const fmi_kernel *kernel, const fmi_generated *generated)
{
    fmi_error_state before;
    fmi_error_save(&before);
    fmi_generated located = {.source = generated->source,
                             .param_count = generated->param_count,
                             .dtypes = generated->dtypes,
                             .binding_mode = generated->binding_mode,
                             .max_push_constants_bytes = generated->max_push_constants_bytes,
                             .has_subgroups = generated->has_subgroups,
                             .locates = true};
    fm_status status = kernel->caps->takes_spirv ? fmi_generate_glsl(&located) : fmi_generate_c(&located);
    fmi_message exact = {0}, plain = {0};
    if (status == FM_OK) {
        read_first(kernel, &located, &exact);
    }
    fmi_text_free(&located.text);
    // A macro's arguments may not be taken apart: then the compiler says something else, and there is only the line to go by.
    bool is_exact = is_placed(&exact) && strstr(before.text, exact.text);
    if (!is_exact) {
        read_first(kernel, generated, &plain);
    }
    fmi_error_restore(&before);
    if (is_exact || is_placed(&plain)) {
        say_place(kernel, is_exact ? &exact : &plain, is_exact);
    }
}
