// Reports. See report.h.
#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void report_check(report *r, const gold *g)
{
    for (uint32_t i = 0; i < r->sequence_count; i++) {
        const sequence *s = &r->sequences[i];
        const gold_entry *entry = gold_find(g, s->prompt);
        if (!entry) {
            continue;
        }
        size_t compared = s->limit < entry->greedy_bytes ? s->limit : entry->greedy_bytes;
        r->checked++;
        r->matched += s->text.size_bytes >= compared && memcmp(s->text.bytes, entry->greedy, compared) == 0;
    }
}

static uint64_t count_tokens(const report *r)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < r->sequence_count; i++) {
        tokens += r->sequences[i].token_count;
    }
    return tokens;
}

static double tokens_per_second(const report *r)
{
    return r->seconds > 0.0 ? (double)count_tokens(r) / r->seconds : 0.0;
}

static bool print_sequence(const sequence *s)
{
    text shown = {0};
    bool good = text_push_utf8(&shown, s->prompt, strlen(s->prompt), true) &&
                text_push_utf8(&shown, s->text.bytes, s->text.size_bytes, true);
    if (good) {
        printf("[%u] %.*s\n\n", s->number, (int)shown.size_bytes, (const char *)shown.bytes);
    }
    text_destroy(&shown);
    return good;
}

bool report_print(const report *r)
{
    printf("device: %s (%s)\n\n", r->device.name, r->device.description);
    bool good = true;
    for (uint32_t i = 0; i < r->sequence_count && good; i++) {
        good = print_sequence(&r->sequences[i]);
    }
    printf("%llu tokens in %.2f s: %.1f tokens/s\n", (unsigned long long)count_tokens(r), r->seconds,
           tokens_per_second(r));
    printf("%llu submissions, %llu dispatches, %llu waves, %llu bytes held at peak\n",
           (unsigned long long)r->stats.submissions, (unsigned long long)r->stats.dispatches,
           (unsigned long long)r->stats.waves, (unsigned long long)r->stats.bytes_in_use_peak);
    if (r->soak->length_ns > 0) {
        printf("soak: %u rounds; resident %.2f MiB after warm-up, %.2f MiB at the end; %llu commits waited at the "
               "limit\n",
               r->soak->rounds, (double)r->soak->warm.resident_bytes / (1 << 20),
               (double)r->soak->end.resident_bytes / (1 << 20), (unsigned long long)r->stats.limit_waits);
    }
    if (r->checked > 0) {
        printf("self-check: %u of %u sequences match\n", r->matched, r->checked);
    }
    return fflush(stdout) == 0 && !ferror(stdout) && good;
}

static json_t *make_text(const void *bytes, size_t size_bytes)
{
    text valid = {0};
    json_t *value = text_push_utf8(&valid, bytes, size_bytes, false)
                        ? json_stringn((const char *)valid.bytes, valid.size_bytes)
                        : NULL;
    if (valid.size_bytes == 0) {
        value = json_string("");
    }
    text_destroy(&valid);
    return value;
}

static json_t *make_sequence(const sequence *s)
{
    json_t *ids = json_array();
    for (uint32_t i = 0; i < s->token_count; i++) {
        json_array_append_new(ids, json_integer(s->tokens[i]));
    }
    return json_pack("{s:o, s:o, s:I, s:o}", "prompt", make_text(s->prompt, strlen(s->prompt)), "text",
                     make_text(s->text.bytes, s->text.size_bytes), "tokens", (json_int_t)s->token_count, "token_ids",
                     ids);
}

static json_t *make_stats(const fm_device_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"commits", stats->commits},
        {"submissions", stats->submissions},
        {"dispatches", stats->dispatches},
        {"transfers", stats->transfers},
        {"waves", stats->waves},
        {"barriers", stats->barriers},
        {"lists_in_flight", stats->lists_in_flight},
        {"bytes_in_use", stats->bytes_in_use},
        {"bytes_in_use_peak", stats->bytes_in_use_peak},
        {"bytes_reserved", stats->bytes_reserved},
        {"limit_waits", stats->limit_waits},
        {"full_drains", stats->full_drains},
        {"keeper_wakeups", stats->keeper_wakeups},
        {"kernels_compiled", stats->kernels_compiled},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        json_object_set_new(object, figures[i].name, json_integer((json_int_t)figures[i].value));
    }
    return object;
}

static json_t *make_soak(const soak *s)
{
    if (s->length_ns == 0) {
        return json_null();
    }
    return json_pack("{s:i, s:I, s:I, s:I, s:I}", "rounds", (int)s->rounds, "resident_bytes_warm",
                     (json_int_t)s->warm.resident_bytes, "resident_bytes_end", (json_int_t)s->end.resident_bytes,
                     "heap_bytes_warm", (json_int_t)s->warm.heap_bytes, "heap_bytes_end",
                     (json_int_t)s->end.heap_bytes);
}

bool report_print_json(const report *r)
{
    json_t *sequences = json_array();
    bool good = sequences != NULL;
    for (uint32_t i = 0; i < r->sequence_count && good; i++) {
        good = json_array_append_new(sequences, make_sequence(&r->sequences[i])) == 0;
    }
    json_t *check =
        r->checked > 0 ? json_pack("{s:i, s:i}", "checked", (int)r->checked, "matched", (int)r->matched) : json_null();
    json_t *root = json_pack("{s:s, s:o, s:o, s:f, s:f, s:o, s:o, s:o}", "device", r->device.name, "device_description",
                             make_text(r->device.description, strlen(r->device.description)), "sequences", sequences,
                             "seconds", r->seconds, "tokens_per_second", tokens_per_second(r), "stats",
                             make_stats(&r->stats), "soak", make_soak(r->soak), "self_check", check);
    good = good && root && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0;
    json_decref(root);
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout) && good;
}
