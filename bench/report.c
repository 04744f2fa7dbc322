// Rows, table and JSON. See report.h.
#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIGITS = 6 }; // of a number in the JSON file: more would be noise

struct report {
    const char *json_path; // borrowed; NULL = no file
    FILE *json;            // open from the start, so that a wrong path shows before anything is measured; NULL: written
    pthread_mutex_t lock;  // guards `rows` and what is written
    json_t *rows;          // array of objects
    const char *suite;     // borrowed
    const char *device;    // borrowed
    bool has_head;         // the table's head is printed
    bool out_of_memory;    // a row could not be kept
};

report *report_create(const char *json_path)
{
    report *created = calloc(1, sizeof *created);
    json_t *rows = json_array();
    if (!created || !rows) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        goto fail;
    }
    if (json_path) {
        created->json = fopen(json_path, "w");
        if (!created->json) {
            fprintf(stderr, "fermata-bench: cannot write '%s': %s\n", json_path, strerror(errno));
            goto fail;
        }
    }
    created->json_path = json_path;
    created->rows = rows;
    pthread_mutex_init(&created->lock, NULL);
    return created;
fail:
    json_decref(rows);
    free(created);
    return NULL;
}

void report_read_processor(char *name, size_t size)
{
    snprintf(name, size, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) {
        return;
    }
    char line[512];
    while (fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(name, size, "%s", colon + 1 + strspn(colon + 1, " "));
            break;
        }
    }
    fclose(file);
}

void report_begin(report *results, const char *suite, const char *device)
{
    char processor[256];
    report_read_processor(processor, sizeof processor);
    results->suite = suite;
    results->device = device;
    results->has_head = false;
    printf("suite   %s\n", suite);
    printf("device  %s\n", device);
    printf("cpu     %s, %ld online\n", processor, sysconf(_SC_NPROCESSORS_ONLN));
}

void report_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("        ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
}

static void print_spread(bool is_there, bool has_spread, spread s)
{
    if (!is_there) {
        printf(" %9s %8s %8s", "-", "", "");
    } else if (!has_spread) {
        printf(" %9.1f %8s %8s", s.median, "", "");
    } else {
        printf(" %9.1f %8.1f %8.1f", s.median, s.p10, s.p90);
    }
}

static void print_row(report *results, const report_row *row)
{
    if (!results->has_head) {
        printf("\n%-28s %9s %8s %8s %9s %8s %8s %7s  %s\n", "case", "fermata", "p10", "p90", "floor", "p10", "p90",
               "ratio", "unit");
        results->has_head = true;
    }
    printf("%-28s", row->name);
    print_spread(true, row->has_spread, row->value);
    print_spread(row->has_floor, row->has_spread, row->floor);
    if (row->has_floor) {
        printf(" %7.2f", row->value.median / row->floor.median);
    } else {
        printf(" %7s", "-");
    }
    printf("  %s\n", row->unit);
    fflush(stdout);
}

// Keeps a row, which is transferred; NULL could not be made.
static void append(report *results, json_t *object)
{
    pthread_mutex_lock(&results->lock);
    if (!object || json_array_append_new(results->rows, object) != 0) {
        results->out_of_memory = true;
    }
    pthread_mutex_unlock(&results->lock);
}

void report_add(report *results, const report_row *row)
{
    print_row(results, row);
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:f, s:o, s:o}", "suite", results->suite, "case", row->name,
                               "device", results->device, "unit", row->unit, "value", row->value.median, "floor",
                               row->has_floor ? json_real(row->floor.median) : json_null(), "ratio",
                               row->has_floor ? json_real(row->value.median / row->floor.median) : json_null());
    if (object && row->has_spread) {
        (void)json_object_set_new(object, "p10", json_real(row->value.p10));
        (void)json_object_set_new(object, "p90", json_real(row->value.p90));
    }
    append(results, object);
}

void report_add_object(report *results, json_t *object)
{
    if (!object || json_object_set_new(object, "suite", json_string(results->suite)) != 0 ||
        json_object_set_new(object, "device", json_string(results->device)) != 0) {
        json_decref(object);
        object = NULL;
    }
    append(results, object);
}

// Writes the rows, once. Called under the lock.
static bool close_file(report *results)
{
    if (!results->json) {
        return true;
    }
    bool good = !results->out_of_memory &&
                json_dumpf(results->rows, results->json, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS)) == 0;
    good = fputc('\n', results->json) != EOF && good;
    good = fclose(results->json) == 0 && good;
    results->json = NULL;
    if (!good) {
        fprintf(stderr, "fermata-bench: '%s' could not be written\n", results->json_path);
    }
    return good;
}

void report_save(report *results)
{
    pthread_mutex_lock(&results->lock);
    close_file(results);
    pthread_mutex_unlock(&results->lock);
}

bool report_end(report **results)
{
    report *ended = *results;
    *results = NULL;
    pthread_mutex_lock(&ended->lock);
    bool good = close_file(ended);
    pthread_mutex_unlock(&ended->lock);
    json_decref(ended->rows);
    pthread_mutex_destroy(&ended->lock);
    free(ended);
    return good;
}
